"""Yours: pages, API, models."""
