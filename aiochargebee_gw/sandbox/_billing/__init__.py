"""Pure arithmetic of billing: lines, discounts, taxes, totals, proration. No store, no clock."""
