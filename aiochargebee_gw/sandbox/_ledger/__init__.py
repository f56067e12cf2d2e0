"""The money of a site: invoices, payments, credit notes, unbilled charges and the balances of customers.

One rule for all of it: a function writes the rows that it changes and returns them as they are stored; a caller never
writes back a row that it read before, since sums on customers, subscriptions and invoices move along.
"""
