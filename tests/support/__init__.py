"""Fakes, vectors and builders the tests share; nothing here runs in the product."""
