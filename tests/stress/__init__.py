"""Programs that look for rare failures: longer than the test suite, which runs a short form."""
