{ domain = "db1.example.org"; }
