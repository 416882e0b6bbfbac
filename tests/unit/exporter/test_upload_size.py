from __future__ import annotations

import pytest

from services.exporter.upload import LARGEST_PUT, UploadTooLarge, check_size
from shared.jobs.models import UploadTarget

S3_ADDRESSES = [
    "https://bucket.s3.eu-west-1.amazonaws.com/x",
    "https://S3.AMAZONAWS.COM./bucket/x",
    "https://bucket.s3.cn-north-1.amazonaws.com.cn/x",
    "https://minio.example.com/bucket/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0",
    "https://ceph.example.com/bucket/x?AWSAccessKeyId=a&Expires=1&Signature=s",
]


@pytest.mark.parametrize("url", S3_ADDRESSES)
def test_what_s3_does_not_take_in_one_put_is_refused_before_any_byte(url: str) -> None:
    target = UploadTarget(url=url)
    check_size(target, LARGEST_PUT)
    with pytest.raises(UploadTooLarge) as raised:
        check_size(target, LARGEST_PUT + 1)
    assert str(LARGEST_PUT + 1) in str(raised.value)
    assert not raised.value.retryable


@pytest.mark.parametrize(
    "target",
    [
        UploadTarget(url=S3_ADDRESSES[0], method="POST"),
        UploadTarget(url="https://amazonaws.com.example.com/x"),
        UploadTarget(url="https://storage.example.com/x?X-Goog-Signature=0"),
        UploadTarget(url="https://storage.example.com/x?GoogleAccessId=a&Signature=s"),
    ],
)
def test_what_is_not_s3_by_put_has_no_largest_size(target: UploadTarget) -> None:
    check_size(target, 10 * LARGEST_PUT)
