{ domain = "web3.example.org"; }
