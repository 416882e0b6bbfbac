from __future__ import annotations

from botocore.loaders import Loader

from shared.storage.s3_descriptions import UndocumentedDescriptions


def _without_documentation(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: "" if name == "documentation" else _without_documentation(each)
            for name, each in value.items()
        }
    return [_without_documentation(each) for each in value] if isinstance(value, list) else value


def test_the_description_of_s3_is_botocores_but_for_its_documentation() -> None:
    whole = Loader().load_service_model("s3", "service-2")
    ours = Loader(file_loader=UndocumentedDescriptions()).load_service_model("s3", "service-2")
    assert ours == _without_documentation(whole)
    assert len(str(ours)) < 0.6 * len(str(whole))


def test_a_file_that_is_not_there_is_none() -> None:
    assert UndocumentedDescriptions().load_file("/nowhere/s3") is None
