#!/usr/bin/env python3
"""What one would use instead of Menshen: OpenCV's FaceDetectorYN and FaceRecognizerSF, the same model files, from Python.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install -r benches/peer/requirements.txt
    /tmp/peer/bin/python benches/peer/peer.py accuracy --pairs PAIRS.csv --images DIR
    /tmp/peer/bin/python benches/peer/peer.py identify --images DIR
    /tmp/peer/bin/python benches/peer/peer.py photos   --images DIR      (one after the other, OpenCV's threads)
    /tmp/peer/bin/python benches/peer/peer.py clip     --clip FILE --fps 15
    /tmp/peer/bin/python benches/peer/peer.py search   --rows 50000

Prints JSON lines with the names `menshen bench` uses. Run from the top of the repository, with the models fetched.
"""

import argparse
import csv
import itertools
import json
import pathlib
import resource
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy

MODELS = pathlib.Path("models")
NO_FACE = -1.0
SCORE_MIN, NMS_IOU, TOP_K = 0.7, 0.3, 5000


def cpu_seconds():
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class Peer:
    def __init__(self):
        self.detector = cv2.FaceDetectorYN.create(
            str(MODELS / "yunet/yunet.onnx"), "", (320, 320), SCORE_MIN, NMS_IOU, TOP_K
        )
        self.recogniser = cv2.FaceRecognizerSF.create(str(MODELS / "sface/sface.onnx"), "")

    def detect(self, picture):
        self.detector.setInputSize((picture.shape[1], picture.shape[0]))
        faces = self.detector.detect(picture)[1]
        return [] if faces is None else faces

    def embed(self, picture, face):
        feature = self.recogniser.feature(self.recogniser.alignCrop(picture, face)).flatten()
        return feature / numpy.linalg.norm(feature)

    def photo(self, path, tilt=0.0):
        """The largest face's feature, as Menshen takes it; None without a face. `tilt`: turned first, degrees, clockwise."""
        picture = cv2.imread(str(path))
        if tilt:
            height, width = picture.shape[:2]
            turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -tilt, 1)
            picture = cv2.warpAffine(picture, turn, (width, height), flags=cv2.INTER_LINEAR)
        faces = self.detect(picture)
        if len(faces) == 0:
            return None
        return self.embed(picture, max(faces, key=lambda face: face[2] * face[3]))


WORKER = None


def start_worker():
    global WORKER
    cv2.setNumThreads(1)
    WORKER = Peer()


def one_photo(path, tilt):
    return WORKER.photo(path, tilt)


def embed_all(images, names, workers, tilt=0.0):
    started, cpu = time.time(), cpu_seconds()
    with ProcessPoolExecutor(workers, initializer=start_worker) as pool:
        features = list(pool.map(one_photo, [images / name for name in names], [tilt] * len(names), chunksize=16))
    line = {
        "photos": len(names),
        "photos_without_face": sum(feature is None for feature in features),
        "photos_per_s": len(names) / (time.time() - started),
        "cpu_ms_per_photo": (cpu_seconds() - cpu) * 1000 / len(names),
        "embedder": "opencv " + cv2.__version__,
    }
    return dict(zip(names, features)), line


def best_threshold(similarity, same):
    """As in src/evaluation/statistics.rs: the middle of the widest run of equally good thresholds."""
    order = numpy.argsort(similarity, kind="stable")
    similarity, same = similarity[order], same[order]
    right = same.sum() + numpy.cumsum(numpy.where(same, -1, 1))
    following = numpy.append(similarity[1:], similarity[-1])
    best = right == right.max()
    at = numpy.flatnonzero(best)[numpy.argmax((following - similarity)[best])]
    return (similarity[at] + following[at]) / 2


def rate_at(wanted, unwanted, false_rate):
    unwanted = numpy.sort(unwanted)[::-1]
    threshold = unwanted[min(int(len(unwanted) * false_rate), len(unwanted) - 1)]
    return float((wanted > threshold).mean()), float(threshold)


def accuracy(options):
    with open(options.pairs, newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row[side] for row in rows for side in "ab"})
    features, line = embed_all(options.images, names, options.workers)
    second = features
    if options.tilt:
        second, told = embed_all(options.images, names, options.workers, options.tilt)
        line |= {"tilt_deg": options.tilt, "tilted_photos_without_face": told["photos_without_face"]}

    def similarity(a, b):
        return NO_FACE if features[a] is None or second[b] is None else float(features[a] @ second[b])

    fold = numpy.array([int(row["fold"]) for row in rows])
    same = numpy.array([row["same"] == "1" for row in rows])
    scores = numpy.array([similarity(row["a"], row["b"]) for row in rows])
    accuracies, thresholds = [], []
    for tested in sorted(set(fold)):
        others = fold != tested
        threshold = best_threshold(scores[others], same[others])
        accuracies.append(((scores[~others] >= threshold) == same[~others]).mean())
        thresholds.append(threshold)
    line |= {
        "bench": "accuracy",
        "pairs": len(rows),
        "folds": len(accuracies),
        "accuracy": float(numpy.mean(accuracies)),
        "accuracy_std": float(numpy.std(accuracies)),
        "threshold": float(numpy.mean(thresholds)),
    }
    width = len(next(feature for feature in features.values() if feature is not None))

    def matrix(of):
        return numpy.array([of[n] if of[n] is not None else numpy.zeros(width) for n in names], "float32")

    scores = matrix(features) @ matrix(second).T
    scores[[features[name] is None for name in names], :] = NO_FACE
    scores[:, [second[name] is None for name in names]] = NO_FACE
    people = numpy.array([name.rsplit("/", 1)[0] for name in names])
    upper = numpy.triu_indices(len(names), 1)
    one, scores = (people[:, None] == people[None, :])[upper], scores[upper]
    line |= {"genuine_pairs": int(one.sum()), "impostor_pairs": int((~one).sum())}
    for name in ("1e-3", "1e-4"):
        rate, threshold = rate_at(scores[one], scores[~one], float(name))
        line |= {f"tar_at_far_{name}": rate, f"tar_at_far_{name}_threshold": threshold}
    print(json.dumps(line))


def identify(options):
    names = sorted(str(p.relative_to(options.images)) for p in options.images.rglob("*.jpg"))
    features, line = embed_all(options.images, names, options.workers)
    people = {who: list(photos) for who, photos in itertools.groupby(names, lambda name: name.rsplit("/", 1)[0])}
    enrolled = [who for who, photos in people.items() if len(photos) > 1 and features[photos[0]] is not None]
    gallery = numpy.array([features[people[who][0]] for who in enrolled], "float32")

    def look(name):
        if features[name] is None:
            return None, NO_FACE
        scores = gallery @ features[name]
        return enrolled[int(scores.argmax())], float(scores.max())

    mated = [(who, look(name)) for who, photos in people.items() if len(photos) > 1 for name in photos[1:]]
    right = numpy.array([found == who for who, (found, _) in mated])
    scores = numpy.where(right, [score for _, (_, score) in mated], NO_FACE)
    others = numpy.array([look(photos[0])[1] for photos in people.values() if len(photos) == 1])
    line |= {
        "bench": "identify",
        "gallery_people": len(enrolled),
        "mated_probes": len(mated),
        "non_mated_probes": len(others),
        "rank_1": float(right.mean()),
    }
    for name in ("1e-2", "1e-3"):
        rate, threshold = rate_at(scores, others, float(name))
        line |= {f"tpir_at_fpir_{name}": rate, f"tpir_at_fpir_{name}_threshold": threshold}
    print(json.dumps(line))


def photos(options):
    peer = Peer()
    names = sorted(options.images.rglob("*.jpg"))[: options.limit]
    started, cpu = time.time(), cpu_seconds()
    for name in names:
        peer.photo(name)
    print(
        json.dumps(
            {
                "bench": "photos",
                "photos": len(names),
                "photos_per_s": len(names) / (time.time() - started),
                "cpu_ms_per_photo": (cpu_seconds() - cpu) * 1000 / len(names),
            }
        )
    )


def clip(options):
    """Every picture: decode, detect at --detect-width, align and embed each face, search. No pictures are stored, no
    events are made, nobody is tracked: less than Menshen does."""
    cv2.setNumThreads(1)
    peer = Peer()
    random = numpy.random.default_rng(1).standard_normal((options.people, 128)).astype("float32")
    gallery = random / numpy.linalg.norm(random, axis=1, keepdims=True)
    started, cpu = time.time(), cpu_seconds()
    video, frames, faces_seen = cv2.VideoCapture(str(options.clip)), 0, 0
    while True:
        good, picture = video.read()
        if not good:
            break
        frames += 1
        scale = min(1.0, options.detect_width / picture.shape[1])
        faces = peer.detect(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        for face in faces:
            face = face.copy()
            face[:14] /= scale
            (gallery @ peer.embed(picture, face)).argmax()
            faces_seen += 1
    spent = cpu_seconds() - cpu
    print(
        json.dumps(
            {
                "bench": "clip",
                "frames": frames,
                "faces": faces_seen,
                "people": options.people,
                "wall_s": time.time() - started,
                "frames_per_s": frames / (time.time() - started),
                "cpu_ms_per_frame": spent * 1000 / frames,
                "cpu_s_per_camera_s": spent * options.fps / frames,
            }
        )
    )


TELLING = threading.Lock()


def tell(line):
    """One line at a time, whichever thread says it."""
    with TELLING:
        print(json.dumps(line), flush=True)


def watch(name, url, options, known, tallies, until):
    """One camera: a thread keeps the newest picture, this one looks at it."""
    peer, newest, arrived = Peer(), [None, 0], threading.Event()
    video = cv2.VideoCapture(url, cv2.CAP_FFMPEG)

    def read():
        while time.time() < until:
            good, picture = video.read()
            if not good:
                return
            newest[0] = picture
            newest[1] += 1
            arrived.set()

    threading.Thread(target=read, daemon=True).start()
    people, features = list(known), numpy.stack(list(known.values()))
    last_seen, looked = {}, 0
    while time.time() < until:
        if not arrived.wait(0.2):
            continue
        arrived.clear()
        picture = newest[0]
        looked += 1
        scale = min(1.0, options.detect_width / picture.shape[1])
        for face in peer.detect(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)):
            face = face.copy()
            face[:14] /= scale
            similarity = features @ peer.embed(picture, face)
            best = int(similarity.argmax())
            # OpenCV's own threshold for these features.
            if similarity[best] < 0.363:
                continue
            person, now = people[best], time.time()
            if now - last_seen.get(person, 0) > options.gap:
                tell({"event": "seen", "camera": name, "person": person})
            last_seen[person] = now
    tallies[name] = {"frames": newest[1], "looked_at": looked}


def cameras(options):
    """Every camera in a thread of its own, always the newest picture, whoever is recognised told at once. No tracking, no
    quality, nothing stored, no pictures sent: less than Menshen does."""
    cv2.setNumThreads(1)
    enrolling = Peer()
    known = {}
    for text in options.known:
        person, photo = text.split("=", 1)
        known[person] = enrolling.photo(photo)
    tallies, until = {}, time.time() + options.warm_up + options.seconds
    threads = []
    for text in options.camera:
        name, url = text.split("=", 1)
        threads.append(threading.Thread(target=watch, args=(name, url, options, known, tallies, until)))
        threads[-1].start()
    time.sleep(options.warm_up)
    tell({"event": "ready"})
    started, cpu = time.time(), cpu_seconds()
    for thread in threads:
        thread.join()
    seconds, spent, streams = time.time() - started, cpu_seconds() - cpu, len(threads)
    whole = options.warm_up + options.seconds
    frames, looked = (sum(tally[key] for tally in tallies.values()) for key in ("frames", "looked_at"))
    print(
        json.dumps(
            {
                "opencv": cv2.__version__,
                "seconds": round(seconds, 1),
                "cpu_s_per_stream_s": round(spent / seconds / streams, 3),
                "frames_per_stream_s": round(frames / whole / streams, 3),
                "looked_at_per_stream_s": round(looked / whole / streams, 3),
                "frames_dropped": frames - looked,
            }
        )
    )


def search(options):
    import faiss

    faiss.omp_set_num_threads(1)
    random = numpy.random.default_rng(1).standard_normal((options.rows, 128)).astype("float32")
    rows = random / numpy.linalg.norm(random, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(128)
    index.add(rows)
    probes = rows[: options.probes] + 0.05 * numpy.random.default_rng(2).standard_normal((options.probes, 128))
    probes = (probes / numpy.linalg.norm(probes, axis=1, keepdims=True)).astype("float32")
    index.search(probes[:1], 1)
    cpu = time.process_time()
    for probe in probes:
        index.search(probe[None, :], 1)
    one = (time.process_time() - cpu) * 1000 / len(probes)
    cpu = time.process_time()
    index.search(probes, 1)
    together = (time.process_time() - cpu) * 1000 / len(probes)
    # From 1.15 on the matrix product is taken only from 128 000 queries x dimensions.
    faiss.cvar.distance_compute_blas_threshold = 1
    cpu = time.process_time()
    index.search(probes, 1)
    product = (time.process_time() - cpu) * 1000 / len(probes)
    figures = {"cpu_ms_per_probe": one, "cpu_ms_per_probe_batched": together, "cpu_ms_per_probe_batched_by_product": product}
    print(json.dumps({"bench": "search", "faiss": faiss.__version__, "rows": options.rows, "probes": options.probes, **figures}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, work in (("accuracy", accuracy), ("identify", identify), ("photos", photos), ("clip", clip), ("cameras", cameras), ("search", search)):
        command = commands.add_parser(name)
        command.set_defaults(work=work)
        if name in ("accuracy", "identify", "photos"):
            command.add_argument("--images", type=pathlib.Path, required=True)
        if name in ("accuracy", "identify"):
            command.add_argument("--workers", type=int, default=2)
        if name == "accuracy":
            command.add_argument("--pairs", type=pathlib.Path, required=True)
            command.add_argument("--tilt", type=float, default=0, help="turns the second photo of every pair, degrees")
        if name == "photos":
            command.add_argument("--limit", type=int, default=300)
        if name == "clip":
            command.add_argument("--clip", type=pathlib.Path, required=True)
            command.add_argument("--fps", type=int, default=15)
            command.add_argument("--people", type=int, default=50_000)
            command.add_argument("--detect-width", type=int, default=640)
        if name == "cameras":
            command.add_argument("--camera", action="append", required=True, metavar="NAME=URL")
            command.add_argument("--known", action="append", required=True, metavar="PERSON=PHOTO")
            command.add_argument("--seconds", type=float, default=200)
            command.add_argument("--warm-up", type=float, default=15)
            command.add_argument("--gap", type=float, default=2, help="seconds unseen after which a person is told again")
            command.add_argument("--detect-width", type=int, default=640)
        if name == "search":
            command.add_argument("--rows", type=int, default=50_000)
            command.add_argument("--probes", type=int, default=200)
    options = parser.parse_args()
    options.work(options)


if __name__ == "__main__":
    main()
