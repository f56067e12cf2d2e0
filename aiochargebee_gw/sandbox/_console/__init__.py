"""The sandbox's face: a page for people and the JSON behind it, which test suites in any language can use as well."""
