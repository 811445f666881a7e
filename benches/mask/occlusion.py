"""Trains and tests the check for covered eyes and mouths of crates/vision/src/occlusion, as train.py does for masks.

    python occlusion.py --images LFW --models models [--write crates/vision/src/occlusion] [--look NAME] [--keep FILE.npz] [--unseen]
    menshen bench fiqa --images LFW --level no > box.jsonl; python occlusion.py --box box.jsonl

The weights and the figures of docs/recognition/quality.md were made with the versions of `benches/peer/requirements.txt`
(OpenCV 5); with those of train.py faces are found a little differently.

What covers a face is made up (occluders.py). Photos of LFW's half whose people really wear dark glasses or hold something
before the face (REAL) are left out of learning and of the false alarms, and are told apart. `--look` draws the photos without
anything drawn before them that are most taken for covered. `--box` tells the same of what the box itself found in LFW.
"""

import argparse
import glob
import json
import os

import cv2
import numpy as np
import occluders
import train
from train import TOP

HIDDEN = 24
HALVES = 5  # seed of who is learned from
FALSE_ALARMS = 0.001  # of free eyes, and of free mouths, of people not learned from
DRAWN = 5  # pictures with something before the face, for each without
# Photos whose eyes (E) or mouth (M) really are covered, or cannot be told free by a human either (X).
REAL = {f"{name}.jpg": what for what, names in {
    "E": """
        Abbas_Kiarostami_0001 Andre_Bucher_0001 Andy_Dick_0001
        Bono_0003 Candice_Bergen_0001 Carla_Sullivan_0001
        Claudia_Pechstein_0003 Claudia_Pechstein_0005 Connie_Freydell_0001
        Elizabeth_Hurley_0001 Fernando_Vargas_0002 Fernando_Vargas_0003
        Frank_Coraci_0001 Giancarlo_Fisichella_0001 Henry_Suazo_0001
        James_Cameron_0002 Jane_Fonda_0002 Jessica_Lange_0001
        Joey_Mantia_0001 Juan_Pablo_Montoya_0008 Melanie_Griffith_0001
        Michelangelo_Antonioni_0001 Park_Na-kyong_0001 Paula_Radcliffe_0004
        Roy_Moore_0006 Saddam_Hussein_0010 Samuel_Waksal_0002
        Steffi_Graf_0004 Taha_Yassin_Ramadan_0013 Will_Smith_0002
    """,
    "M": """
        Celine_Dion_0003 Eva_Dimas_0002 John_Velazquez_0001
        Jose_Manuel_Durao_Barroso_0001 Juergen_Peters_0001 Julio_De_Brun_0001
        Pat_Burns_0002 Richard_Branson_0001
    """,
    "X": """
        Celine_Dion_0008 Charles_Holzner_0001 Fernando_Vargas_0004
        Franko_Simatovic_0002 Ivan_Lee_0001 Juan_Valencia_Osorio_0002
        Martha_Stewart_0005 Michael_Phelps_0001 Mohammed_Al-Douri_0012
        Oracene_Williams_0001 Steven_Seagal_0001 Vicente_Fox_0032
        Zach_Safrin_0001
    """,
}.items() for name in names.split()}


def eye_features(grid):
    """The left eye's: all squares, as seen. The right eye's are those of the mirrored face."""
    return np.clip(grid[:, TOP:].reshape(len(grid), -1), -6, 6)


def collect(faces, files, seed):
    """Every face as it is and with things before it: crops, kind (-1: none), covered, file."""
    rng = np.random.default_rng(seed)
    crops, kinds, covered, names, missed = [], [], [], [], np.zeros(len(occluders.KINDS), int)
    for file in files:
        picture = cv2.imread(file)
        found = faces.find(picture)
        if found is None:
            continue
        for kind in [-1, *rng.choice(len(occluders.KINDS), DRAWN, replace=False)]:
            seen, hidden, face = picture, [0, 0, 0], found
            if kind >= 0:
                seen, hidden = occluders.put_before(picture, found[4:14], rng, occluders.KINDS[kind])
                face = faces.find(seen)
            if face is None:
                missed[kind] += 1
                continue
            crops.append(faces.crop(seen, face))
            kinds.append(kind)
            covered.append(hidden)
            names.append(os.path.basename(file))
    print(f"{len(crops)} faces; not found: {dict(zip(occluders.KINDS, missed.tolist()))}")
    return np.array(crops), np.array(kinds), np.array(covered), np.array(names)


class Part:
    """Eyes or the mouth: its network, and what is asked of it."""

    def __init__(self, name, features, columns):
        self.name, self.features, self.columns = name, features, columns

    def samples(self, grid, covered):
        """Features, covered, and from which face: two eyes a face, one mouth."""
        whole = np.arange(len(grid))
        if len(self.columns) == 1:
            return self.features(grid), covered[:, 2], whole
        both = np.concatenate([self.features(grid), self.features(grid[:, :, ::-1])])
        return both, np.concatenate([covered[:, 0], covered[:, 1]]), np.concatenate([whole, whole])

    def learn(self, grid, covered, chosen):
        x, y, whose = self.samples(grid, covered)
        use = (y >= 0) & chosen[whose]
        x, y = x[use], y[use]
        mean, spread = x.mean(0), x.std(0) + 1e-3
        return train.Net(train.learn((x - mean) / spread, y.astype(np.float32), 1, HIDDEN), mean, spread)

    def set_mark(self, net, grid, covered, chosen):
        x, y, whose = self.samples(grid, covered)
        net.out_bias -= float(np.quantile(net(x)[(y == 0) & chosen[whose]], 1 - FALSE_ALARMS))

    def rates(self, label, net, grid, covered, kinds):
        x, y, whose = self.samples(grid, covered)
        score, kind = net(x), kinds[whose]
        plain = score[kind == -1]
        free = score[(y == 0) & (kind >= 0)]
        print(f"{label}, {self.name}: false alarms {(plain > 0).mean():.4f} of {len(plain)}, beside something drawn {(free > 0).mean():.4f} of {len(free)}")
        print("   " + ", ".join(f"{name} {(score[(y == 1) & (kind == i)] > 0).mean():.3f} of {((y == 1) & (kind == i)).sum()}" for i, name in enumerate(occluders.KINDS) if ((y == 1) & (kind == i)).any()))
        for i in range(len(occluders.KINDS) - 2, len(occluders.KINDS)):
            print(f"   free beside {occluders.KINDS[i]}: {(score[(y == 0) & (kind == i)] > 0).mean():.4f}")


def look(path, crops, names, score):
    """The plain faces most taken for covered, the worst first."""
    tiles = []
    for at in np.argsort(-score)[:120]:
        tile = np.ascontiguousarray(crops[at][:, :, ::-1])
        cv2.putText(tile, f"{score[at]:.1f}", (2, 12), 0, 0.4, (0, 255, 0), 1)
        tiles.append(tile)
        print(f"   {score[at]:.2f} {names[at]}")
    cv2.imwrite(path, np.vstack([np.hstack(tiles[row : row + 12]) for row in range(0, 120, 12)]))


def in_half(names, rng):
    """Whether each photo is of somebody nothing is learned from."""
    people = np.array([name.rsplit("_", 1)[0] for name in names])
    order = np.unique(people)
    rng.shuffle(order)
    return np.isin(people, order[: len(order) // 2])


def of_box(path):
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    found = {os.path.basename(line["photo"]): line["quality"]["occlusion"] for line in lines if "quality" in line}
    names = sorted(found)
    free = [found[name] for name, held_out in zip(names, in_half(names, np.random.default_rng(HALVES))) if held_out and name not in REAL]
    print(f"people not learned from: {sum(map(any, free))} of {len(free)} free faces with a covered part: {np.sum(free, 0)} (left eye, right eye, mouth)")
    for what, part in (("E", slice(0, 2)), ("M", slice(2, 3))):
        real = [any(found[name][part]) for name in names if what in REAL.get(name, "")]
        print(f"photos of really covered ones, {what}: found {sum(real)} of {len(real)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images")
    parser.add_argument("--box", help="what `menshen bench fiqa` printed of the same photos")
    parser.add_argument("--models", default="models")
    parser.add_argument("--write", help="folder to write eyes.toml and mouth.toml to")
    parser.add_argument("--look", help="draw the plain faces most taken for covered")
    parser.add_argument("--unseen", action="store_true", help="learn without each kind in turn, too")
    parser.add_argument("--keep", help="file to keep the crops in between runs")
    arguments = parser.parse_args()
    if arguments.box:
        return of_box(arguments.box)
    if not arguments.images:
        parser.error("--images or --box is needed")
    cv2.setNumThreads(1)
    if arguments.keep and os.path.exists(arguments.keep):
        kept = np.load(arguments.keep)
        crops, kinds, covered, names = kept["crops"], kept["kinds"], kept["covered"], kept["names"]
    else:
        faces = train.Faces(arguments.models)
        crops, kinds, covered, names = collect(faces, sorted(glob.glob(f"{arguments.images}/*/*.jpg")), 7)
        if arguments.keep:
            np.savez(arguments.keep, crops=crops, kinds=kinds, covered=covered, names=names)
    real = np.isin(names, list(REAL))
    rng = np.random.default_rng(HALVES)
    held_out = in_half(names, rng)
    from_here, other = np.flatnonzero(~held_out & ~real), np.flatnonzero(held_out & ~real)
    varied = np.array([train.vary(crop, rng) for _ in range(2) for crop in crops[from_here]])
    grid = train.grid(np.concatenate([crops[from_here], varied]))
    truth, drawn = np.tile(covered[from_here], (3, 1)), np.tile(kinds[from_here], 3)
    test, rough = train.grid(crops[other]), train.grid(np.array([train.vary(crop, rng) for crop in crops[other]]))
    for part in (Part("eyes", eye_features, (0, 1)), Part("mouth", train.halves, (2,))):
        net = part.learn(grid, truth, drawn > -2)
        both = np.concatenate([test, rough]), np.tile(covered[other], (2, 1)), np.tile(kinds[other] == -1, 2)
        part.set_mark(net, *both)
        part.rates("people not learned from", net, test, covered[other], kinds[other])
        part.rates("… varied", net, rough, covered[other], kinds[other])
        for i, name in enumerate(occluders.KINDS[: 8 * arguments.unseen]):
            x, y, whose = part.samples(test, covered[other])
            own = (y == 1) & (kinds[other][whose] == i)
            if own.sum() < 50:
                continue
            without = part.learn(grid, truth, drawn != i)
            part.set_mark(without, *both)
            print(f"   {name} never seen before: found {(without(x)[own] > 0).mean():.3f}")
        plain = np.flatnonzero(kinds == -1)
        x, _, whose = part.samples(train.grid(crops[plain]), covered[plain])
        score = net(x).reshape(-1, len(plain)).max(0)
        truly = np.array([part.name[0].upper() in REAL.get(name, "") for name in names[plain]])
        if truly.any():
            print(f"   photos of really covered ones: found {(score[truly] > 0).sum()} of {truly.sum()}")
        if arguments.look:
            look(f"{arguments.look}-{part.name}.png", crops[plain], names[plain], np.where(truly, -99, score))
        if arguments.write:
            net.write(f"{arguments.write}/{part.name}.toml", os.path.basename(__file__))


if __name__ == "__main__":
    main()
