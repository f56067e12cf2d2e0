"""Word lists for people, places and companies; combinations are invented, addresses end in example.com."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Ada Ben Clara Daniel Émilie Farid Grace Håkon Inês Jürgen Kenji Łucja Miguel Nadia Oskar Priya Quentin "
    "Renée Søren Tomás Ulrike Vesna Wanda Ximena Yusuf Zoë Chloë Björn Anaïs Štěpán Đorđe Þóra Ángela Gülşen"
)
LAST_NAMES = _words(
    "Almeida Bergström Castro Dubois Eriksen Fischer García Hoffmann Ivanov Jensen Kowalski Lindqvist Müller "
    "Nakamura O'Brien Pérez Quist Rossi Šimić Tanaka Ünal Vogel Weiß Xu Çelik Žižka Ångström Østergaard"
)
NATIVE_NAMES = (("花子", "山田"), ("伟", "王"), ("Ольга", "Петрова"), ("محمد", "الحسن"), ("유나", "김"))
COMPANIES = _words(
    "Nordlys Acme Bleu Ciel Fjord Granit Helios Íris Juniper Kestrel Lumen Müsli Nimbus Óptica Pampas Quartz"
)
COMPANY_FORMS = ("Inc.", "GmbH", "AS", "S.A.", "Ltd", "株式会社")
STREETS = ("Main Street", "Storgata", "Rue de l'Église", "Königstraße", "Calle Mayor", "本町")
PLACES = (
    ("NO", "Oslo", None, "0150", "NOK", 25.0, "nb-NO"),
    ("US", "Portland", "OR", "97201", "USD", 0.0, "en-US"),
    ("DE", "Köln", None, "50667", "EUR", 19.0, "de-DE"),
    ("FR", "Orléans", None, "45000", "EUR", 20.0, "fr-FR"),
    ("GB", "Leeds", None, "LS1 4DY", "GBP", 20.0, "en-GB"),
    ("US", "Austin", "TX", "73301", "USD", 8.25, "en-US"),
    ("JP", "札幌市", None, "060-0001", "JPY", 10.0, "ja-JP"),
)
"""country, city, state code, zip, currency, tax rate in percent, locale"""
REGIONS = ("EU", "US", "APAC")
CARD_BRANDS = (
    ("visa", "424242", "4242"),
    ("mastercard", "555555", "4444"),
    ("american_express", "378282", "0005"),
    ("visa", "400005", "5556"),
)
