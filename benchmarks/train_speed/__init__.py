"""Speed, quality and memory of training, beside gensim and others."""
