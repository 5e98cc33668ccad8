"""Link prediction on WN18, WN18RR and FB15k-237: thesis, Tables 4.1 and 4.2."""
