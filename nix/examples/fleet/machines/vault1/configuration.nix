{ domain = "vault1.example.org"; }
