"""What needs an extra: each module imports its own third-party package, and nothing imports them unasked."""
