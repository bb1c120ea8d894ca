"""The 256 bytes of text that identity cards hold, field after field as they lie on the card; the people are invented.

Written from the lengths of the fields alone, so that it agrees with a reader of offsets only if both are right.
"""

ID_NO = "11010020171225006X"


def citizen(**fields: str) -> bytes:
    """An identity card of a citizen; `fields` says what differs from an ordinary one."""
    return _filled(
        [
            ("name", 15, "张三"),
            ("sex", 1, "2"),
            ("nation", 2, "01"),
            ("birth", 8, "20171225"),
            ("address", 35, "北京市东城区某街道1号"),
            ("id_no", 18, ID_NO),
            ("issuer", 15, "北京市公安局东城分局"),
            ("valid_from", 8, "20180101"),
            ("valid_until", 8, "20230101"),
            ("pass_no", 9, ""),
            ("times", 2, ""),
            ("rfu", 3, ""),
            ("type", 1, " "),
            ("rfu2", 3, ""),
        ],
        fields,
    )


def hmt(**fields: str) -> bytes:
    """A residence permit of Hong Kong, Macau and Taiwan residents: the same layout, marked J."""
    ordinary = {
        "name": "陈小明",
        "nation": "",
        "id_no": "810000199001010015",
        "birth": "19900101",
        "sex": "1",
        "pass_no": "H01234567",
        "times": "01",
        "type": "J",
    }
    return citizen(**ordinary | fields)


def foreigner_2017(**fields: str) -> bytes:
    """A permanent residence permit of 2017, marked I."""
    return _filled(
        [
            ("english_name", 60, "SAMPLE, PERSON ONE"),
            ("sex", 1, "1"),
            ("id_no", 15, "CAN110080010101"),
            ("nationality", 3, "CAN"),
            ("name", 15, "桑普"),
            ("valid_from", 8, "20180302"),
            ("valid_until", 8, "20280301"),
            ("birth", 8, "19810821"),
            ("version", 2, "01"),
            ("issuer", 4, "1500"),
            ("type", 1, "I"),
            ("rfu", 3, ""),
        ],
        fields,
    )


def foreigner_2023(**fields: str) -> bytes:
    """A permanent residence permit of 2023, marked Y."""
    return _filled(
        [
            ("name", 15, "桑普"),
            ("sex", 1, "2"),
            ("times", 2, "02"),
            ("birth", 8, "19810821"),
            ("english_name", 35, "SAMPLE, PERSON ONE"),
            ("id_no", 18, "911124198108210020"),
            ("rfu", 15, ""),
            ("valid_from", 8, "20231201"),
            ("valid_until", 8, "20331130"),
            ("english_name_more", 11, ""),
            ("nationality", 3, "CAN"),
            ("type", 1, "Y"),
            ("associated_no", 3, "001"),
        ],
        fields,
    )


def _filled(layout: list[tuple[str, int, str]], fields: dict[str, str]) -> bytes:
    """UTF-16LE units, padded with blanks; surrogates pass, as they would on a card."""
    unknown = fields.keys() - {name for name, _, _ in layout}
    assert not unknown, unknown
    text = b""
    for name, units, ordinary in layout:
        raw = fields.get(name, ordinary).encode("utf-16-le", "surrogatepass")
        assert len(raw) <= 2 * units, name
        text += raw + " ".encode("utf-16-le") * (units - len(raw) // 2)
    return text
