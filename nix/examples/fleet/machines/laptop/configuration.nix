{ domain = "laptop.example.org"; }
