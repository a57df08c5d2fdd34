"""Alipay, the open platform of mainland China: signatures of fields with RSA2, amounts in yuan."""
