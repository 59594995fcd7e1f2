{ domain = "monitor1.example.org"; }
