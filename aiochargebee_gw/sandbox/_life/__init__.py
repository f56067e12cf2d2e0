"""The life of subscriptions: what is due when, and what happens then."""
