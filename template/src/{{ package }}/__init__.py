"""A web service in three layers: app uses adapter, which uses security; never backwards.

`operate` runs it and looks after it: it uses all of them, and none of them uses it.
"""
