"""Speed, quality and memory of training, compared with gensim and others."""
