"""The reference city node: commits records, answers with receipts, issues cards, signs trust documents."""
