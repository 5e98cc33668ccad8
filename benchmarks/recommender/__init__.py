"""Ratings of movies, predicted: thesis, section 4.2, Table 4.3 and Fig. 4.2."""
