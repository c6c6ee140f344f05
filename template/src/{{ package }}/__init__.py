"""A web service in three layers: app uses adapter, which uses security; never backwards."""
