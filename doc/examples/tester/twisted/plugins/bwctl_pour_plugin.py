"""What `twisted.plugin` finds: every object here that is a plug-in."""

from bwctl_pour import Pour

pour = Pour()
