{ domain = "web1.example.org"; }
