"""What a drawn face looks like, and how that depends on age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Floats

WHITE = np.array([246.0, 243.0, 240.0])
DARK = np.array([38.0, 26.0, 24.0])
GREY_HAIR = np.array([206.0, 204.0, 202.0])

# From light to dark; each person has a colour between two neighbours.
_SKINS = np.array(
    [(240, 206, 184), (232, 188, 158), (219, 168, 130), (186, 132, 94), (142, 96, 66), (98, 64, 46)], float
)
_HAIRS = np.array([(30, 24, 24), (58, 40, 32), (92, 62, 42), (128, 84, 50), (150, 78, 44), (206, 168, 110)], float)
_IRISES = np.array([(58, 40, 28), (88, 58, 36), (118, 88, 48), (96, 116, 80), (86, 116, 140)], float)


@dataclass
class Traits:
    """What a face looks like: lengths in picture widths, strengths from 0 to 1, colours RGB from 0 to 255."""

    # Proportions.
    half_width: float
    crown: float  # from the origin up to the top of the skull
    chin: float  # from the origin down
    jaw: float  # width, relative to the head's
    eye_y: float
    eye_size: float  # half the width of an eye
    nose_y: float
    nose_width: float
    mouth_width: float
    lips: float  # thickness
    brow: float  # thickness
    ears: float  # height
    # Signs of age.
    forehead: float  # lines
    crows_feet: float
    bags: float  # under the eyes
    folds: float  # from the nose to the mouth and down from its corners
    lids: float  # how far they hang
    jowls: float
    spots: int
    roughness: float  # of the skin
    grey: float  # share of grey hair
    bald: float
    # The person.
    feminine: bool
    skin: Floats
    hair: Floats
    hair_cover: float  # 0 to 1: from fuzz that lets the skin show through to full hair
    hair_length: float  # 0 is short, 1 reaches the shoulders
    fringe: float
    comb: float  # to which side the hair is combed, -1 to 1
    curl: float
    beard: float
    makeup: float
    iris: Floats
    glasses: bool
    freckles: bool
    clothes: Floats
    # The moment.
    smile: float
    mouth_open: float
    gaze: float
    turn: float  # of the head to a side, -1 to 1
    tilt: float  # radians
    zoom: float
    origin: Floats  # (x, y)
    background: Floats  # (3, 3, 3)
    light: Floats  # (2,), how much brighter it gets to the right and downwards
    brightness: float  # the mean of the finished picture
    tint: Floats  # (3,), gains
    grain: float
    seed: int  # of threads, spots and grain

    @property
    def mouth_y(self) -> float:
        return self.nose_y + 0.42 * (self.chin - self.nose_y)


def person(age: float, generator: np.random.Generator) -> Traits:
    """A person of the given age in years."""
    uniform, normal = generator.uniform, generator.normal

    def seen(start: float, end: float, scatter: float = 6.0) -> float:
        """How far a sign that comes between two ages has come: 0 to 1."""
        own_age = age + scatter * normal() * min(1.0, age / 20)
        return float(np.clip((own_age - start) / (end - start), 0, 1))

    child = float(np.exp(-age * uniform(0.85, 1.15) / 6.5))
    grown = 1 - float(np.exp(-age * uniform(0.9, 1.1) / 10))
    feminine = uniform() < 0.5
    adult_man = not feminine and age > 17
    half_width = 0.252 + 0.026 * child + 0.009 * normal() - 0.008 * feminine
    chin = 0.240 + 0.115 * grown + 0.010 * normal() - 0.012 * feminine
    eye_y = 0.012 + 0.065 * child + 0.006 * normal()
    nose_y = eye_y + 0.075 + 0.055 * grown + 0.014 * seen(40, 95) + 0.006 * normal()
    dyed = feminine and uniform() < 0.25
    grey = seen(32, 78, 9) ** 1.3 * (0.25 if dyed else 1.0)
    baby = float(np.clip(1.15 - age / 4, 0, 1)) * uniform(0.6, 1.0)
    light = uniform(-0.28, 0.28, 2) * [1.0, 0.5]
    complexion = uniform()
    skin = _between(_SKINS, complexion) * uniform(0.95, 1.05)
    hair = _between(_HAIRS, uniform() * (1 - 0.8 * complexion))
    return Traits(
        half_width=half_width,
        crown=0.365 + 0.012 * normal() - 0.012 * grown,
        chin=chin,
        jaw=0.80 - 0.05 * feminine + 0.05 * adult_man + 0.03 * normal() + 0.08 * child,
        eye_y=eye_y,
        eye_size=0.052 + 0.016 * child + 0.003 * normal() - 0.003 * seen(50, 95) + 0.003 * feminine,
        nose_y=nose_y,
        nose_width=0.030 + 0.012 * grown + 0.008 * seen(45, 95) + 0.003 * normal(),
        mouth_width=0.115 + 0.055 * grown + 0.010 * normal(),
        lips=(0.020 + 0.006 * feminine + 0.003 * normal()) * (1 - 0.45 * seen(40, 90)) * (0.7 + 0.3 * grown),
        brow=0.008 + 0.012 * grown + 0.006 * adult_man + 0.003 * normal(),
        ears=0.062 + 0.018 * seen(30, 95) + 0.004 * normal(),
        forehead=seen(28, 80, 8),
        crows_feet=seen(30, 75, 8),
        bags=seen(30, 85, 10),
        folds=seen(24, 80, 8),
        lids=seen(45, 95, 8),
        jowls=seen(45, 92, 8),
        spots=int(16 * seen(52, 95, 8)),
        roughness=0.008 + 0.05 * seen(20, 95, 8),
        grey=grey,
        bald=seen(25, 85, 16) * uniform(0.0, 1.25) if adult_man else 0.0,
        feminine=feminine,
        skin=skin,
        hair=hair,
        hair_cover=float(np.clip(1 - 0.75 * baby - (0.30 * seen(60, 100)), 0.15, 1)),
        hair_length=uniform(0.4, 1.0) * np.clip((age - 1) / 4, 0, 1)
        if feminine and uniform() < 0.85 - 0.3 * seen(55, 80)
        else 0.0,
        fringe=uniform() * (1 - baby) * (uniform() < 0.5) * (1 - 0.6 * seen(20, 60)),
        comb=uniform(-1, 1),
        curl=uniform() ** 2,
        beard=uniform(0.15, 0.95) if adult_man and uniform() < 0.35 else 0.0,
        makeup=uniform(0.3, 1.0) if feminine and age > 15 and uniform() < 0.5 else 0.0,
        iris=_between(_IRISES, uniform() * (1 - 0.7 * complexion)) * uniform(0.85, 1.15),
        glasses=uniform() < 0.18 and age > 5,
        freckles=uniform() < 0.12,
        clothes=uniform(40, 190) + uniform(-40, 60, 3),
        smile=uniform(-0.15, 1.0),
        mouth_open=uniform(0.4, 1) if uniform() < 0.4 else 0.0,
        gaze=uniform(-0.6, 0.6),
        turn=uniform(-1, 1),
        tilt=normal() * 0.08,
        zoom=uniform(0.98, 1.24),
        origin=np.array([0.5, 0.5]) + normal(0, 0.03, 2),
        background=np.clip(
            uniform(60, 200) + uniform(-40, 40, 3) + uniform(-30, 30, (3, 3, 1)) + uniform(-8, 8, (3, 3, 3)), 0, 255
        ),
        light=light,
        brightness=uniform(84, 146),
        tint=1 + normal(0, 0.025, 3),
        grain=uniform(0, 5),
        seed=int(generator.integers(2**31)),
    )


def _between(colours: Floats, place: float) -> Floats:
    """The colour at `place`, 0 to 1, along a row of colours."""
    place *= len(colours) - 1
    left = min(int(place), len(colours) - 2)
    return colours[left] + (colours[left + 1] - colours[left]) * (place - left)
