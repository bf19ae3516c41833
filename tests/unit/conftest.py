"""Settings that all unit tests share."""

from hypothesis import HealthCheck, settings

# A slow or busy machine is no fault of the code that is tested.
settings.register_profile("patchctl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patchctl")
