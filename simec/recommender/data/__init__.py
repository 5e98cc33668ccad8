"""Ratings, features and ids of users and items."""
