{ domain = "web2.example.org"; }
