"""gensim's own tests of Word2Vec and KeyedVectors, run on Context Encoders and word vectors.

The tests are not part of this project: they are those of the installed gensim.
"""
