"""Reads multipart/form-data (RFC 7578) as it arrives, without I/O: bytes in, file bytes out.

One file, in the field ``file``, and a few short text fields before or after it.
"""

from __future__ import annotations

from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from aeon.media.errors import InvalidUpload

FILE_FIELD: Final = "file"
MAX_FIELDS: Final = 16
MAX_FIELD_BYTES: Final = 1024
MAX_HEADER_BYTES: Final = 4096


class UploadForm:
    """A parser of one request's body."""

    def __init__(self, content_type: str | None) -> None:
        """Prepare for a body of this content type.

        Raises:
            InvalidUpload: it is not multipart/form-data with a usable boundary.
        """
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidUpload("Send the file as multipart/form-data in the field 'file'.")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._part_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise InvalidUpload("The form's boundary is too long.") from error
        self.fields: dict[str, str] = {}
        self.raw_filename: str | None = None
        self.has_file = False
        self.is_complete = False
        self._parts = 0
        self._header_name = b""
        self._header = b""
        self._disposition = b""
        self._field: str | None = None
        self._text = b""
        self._is_in_file = False
        self._out: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the body; gives the file's bytes among them.

        Raises:
            InvalidUpload: the form is broken or holds too much beside the file.
        """
        self._out = []
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidUpload("The form is broken.") from error
        return self._out

    def finish(self) -> None:
        """Check, at the end of the body, that it was whole and had a file.

        Raises:
            InvalidUpload: it was not, or had none.
        """
        if not self.is_complete:
            raise InvalidUpload("The form ends too early.")
        if not self.has_file:
            raise InvalidUpload("The form has no field 'file'.")

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_FIELDS:
            raise InvalidUpload("The form has too many fields.")
        self._disposition = b""
        self._header_name = self._header = b""
        self._text = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header
        self._header_name = self._header = b""

    def _end_headers(self) -> None:
        kind, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"name")
        if kind != b"form-data" or name is None:
            raise InvalidUpload("A part of the form has no name.")
        self._field = name.decode("utf-8", "replace")
        self._is_in_file = self._field == FILE_FIELD
        if self._is_in_file:
            if self.has_file:
                raise InvalidUpload("One file at a time.")
            self.has_file = True
            filename = options.get(b"filename")
            self.raw_filename = None if filename is None else _decode_filename(filename)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_in_file:
            self._out.append(data if end - start == len(data) else data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > MAX_FIELD_BYTES:
            raise InvalidUpload("A field is too long.", field=self._field or "")

    def _end_part(self) -> None:
        if not self._is_in_file and self._field is not None:
            self.fields[self._field] = self._text.decode("utf-8", "replace")
        self._is_in_file = False
        self._field = None

    def _end(self) -> None:
        self.is_complete = True


def _decode_filename(raw: bytes) -> str:
    """Browsers send UTF-8 and escape quotes and line ends, RFC 7578 section 4.2."""
    name = raw.decode("utf-8", "replace")
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
