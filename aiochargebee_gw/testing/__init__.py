"""Help for the tests of programs that use this package: the pytest plugin is :mod:`.plugin`."""
