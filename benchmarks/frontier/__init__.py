"""Quality against speed: shared noise words K x batch B x learning rate, and gensim."""
