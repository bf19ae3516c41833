"""Parse containers and images of podman, docker and crictl."""

from collections.abc import Iterable, Sequence

import msgspec

from ...models.facts import Container, Image
from ...protocol.sections import Unparsed, clip, fields


def containers(engine: str, lines: Iterable[str], unparsed: Unparsed) -> list[Container]:
    """Return the containers in lines `NAME IMAGE IMAGE-ID STATE`, separated by tabs."""
    rows = []
    for line in lines:
        parts = fields(line, 4)
        if parts:
            name, image, image_id, state = map(clip, parts)
            rows.append(
                Container(engine=engine, name=name, image=image, image_id=image_id, state=state)
            )
        else:
            unparsed.add(f"containers_{engine}", line)
    return rows


def images(engine: str, lines: Iterable[str], unparsed: Unparsed) -> list[Image]:
    """Return the images in lines `NAME ID`, separated by a tab."""
    rows = []
    for line in lines:
        parts = fields(line, 2)
        if parts:
            rows.append(Image(engine=engine, name=clip(parts[0]), image_id=clip(parts[1])))
        else:
            unparsed.add(f"images_{engine}", line)
    return rows


class _Named(msgspec.Struct):
    name: str = ""


class _ImageRef(msgspec.Struct):
    image: str = ""


class _CriContainer(msgspec.Struct, rename="camel"):
    metadata: _Named = msgspec.field(default_factory=_Named)
    image: _ImageRef = msgspec.field(default_factory=_ImageRef)
    image_ref: str = ""
    state: str = ""


class _CriContainers(msgspec.Struct):
    containers: list[_CriContainer] = []


class _CriImage(msgspec.Struct, rename="camel"):
    id: str = ""
    repo_tags: list[str] = []


class _CriImages(msgspec.Struct):
    images: list[_CriImage] = []


def cri_containers(lines: Sequence[str], unparsed: Unparsed) -> list[Container]:
    """Return the containers in the output of `crictl ps --all --output json`."""
    try:
        answer = msgspec.json.decode("\n".join(lines), type=_CriContainers)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        unparsed.add("containers_crictl", "".join(lines))
        return []
    return [
        Container(
            engine="crictl",
            name=clip(container.metadata.name),
            image=clip(container.image.image),
            image_id=clip(container.image_ref),
            state=clip(container.state.removeprefix("CONTAINER_").lower()),
        )
        for container in answer.containers
    ]


def cri_images(lines: Sequence[str], unparsed: Unparsed) -> list[Image]:
    """Return the images in the output of `crictl images --output json`."""
    try:
        answer = msgspec.json.decode("\n".join(lines), type=_CriImages)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        unparsed.add("images_crictl", "".join(lines))
        return []
    return [
        Image(engine="crictl", name=clip(tag), image_id=clip(image.id))
        for image in answer.images
        for tag in image.repo_tags or ["<none>"]
    ]
