{ domain = "build1.example.org"; }
