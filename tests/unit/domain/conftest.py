"""Property tests of pure arithmetic: no wall-clock deadline, which a busy machine would break for no reason."""

from hypothesis import settings

settings.register_profile("domain", deadline=None)
settings.load_profile("domain")
