"""Public fakes and fixtures for users' own tests."""
