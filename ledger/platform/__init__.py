"""What the platform documents about itself: addresses, routes, schedules. Pure."""
