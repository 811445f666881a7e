"""Made-up face masks, drawn over a face by its five landmarks: kinds, colours, patterns, fits and light at random."""

import cv2
import numpy as np

KINDS = ["surgical", "beak", "cloth", "printed", "gaiter"]


def colour(rng, kind):
    if kind == "surgical":
        base = [(225, 190, 150), (230, 225, 220), (200, 215, 170), (40, 40, 42), (190, 160, 210)]
        return np.array(base[rng.integers(len(base))], float) + rng.normal(0, 12, 3)
    if kind == "beak":
        base = [(235, 235, 235), (30, 30, 30), (170, 170, 170), (215, 200, 190)]
        return np.array(base[rng.integers(len(base))], float) + rng.normal(0, 10, 3)
    return rng.uniform(10, 245, 3)


def pattern(rng, kind, shape, base):
    """The cloth as it would lie flat, h × w × 3."""
    h, w = shape
    out = np.ones((h, w, 3)) * base
    y, x = np.mgrid[0:h, 0:w] / max(h, w)
    if kind == "surgical":
        folds = rng.uniform(6, 16)
        out *= (1 + rng.uniform(0.02, 0.12) * np.sin(2 * np.pi * folds * y + rng.uniform(0, 6)))[..., None]
    elif kind == "beak":
        out *= (1 - rng.uniform(0.05, 0.3) * np.abs(x - x.mean()) * 2)[..., None]
        if rng.random() < 0.5:
            out[:, w // 2 - max(1, w // 80) : w // 2 + max(1, w // 80)] *= rng.uniform(0.7, 1.2)
        if rng.random() < 0.3:
            cv2.circle(out, (int(w * rng.uniform(0.25, 0.75)), int(h * 0.55)), w // 12, tuple(rng.uniform(60, 250, 3)), -1)
    elif kind == "printed":
        other = rng.uniform(10, 245, 3)
        f, g, s = rng.uniform(3, 14), rng.uniform(3, 14), rng.integers(3)
        wave = [np.sin(2 * np.pi * f * x), np.sin(2 * np.pi * f * x) * np.sin(2 * np.pi * g * y), np.sin(2 * np.pi * (f * x + g * y))][s]
        sel = (wave > rng.uniform(-0.3, 0.6))[..., None]
        out = np.where(sel, other, out)
    grain = rng.normal(0, rng.uniform(0.5, 5), (h, w, 1))
    return out + grain


def outline(rng, kind, points):
    """The mask's edge in the picture, going by the eyes, the nose and the mouth."""
    le, re, nose, lm, rm = points
    eyes, mouth = (le + re) / 2, (lm + rm) / 2
    right = (re - le) / (np.linalg.norm(re - le) + 1e-6)
    span = np.linalg.norm(re - le)
    down = mouth - eyes
    height = np.linalg.norm(down) + 1e-6
    down = down / height
    # A turned head shows less of one cheek.
    turn = float(np.dot(nose - (eyes + mouth) / 2, right)) / span
    left_half = span * (rng.uniform(0.82, 1.05) + 0.9 * turn)
    right_half = span * (rng.uniform(0.82, 1.05) - 0.9 * turn)
    left_half, right_half = max(left_half, 0.25 * span), max(right_half, 0.25 * span)
    top = eyes + down * height * rng.uniform(0.3, 0.62)
    slip = rng.random() < 0.12
    if slip:  # worn below the nose
        top = nose + down * height * rng.uniform(0.08, 0.2)
    chin = mouth + down * height * rng.uniform(0.62, 0.95)
    side = eyes + down * height * rng.uniform(0.55, 0.85)
    jaw = mouth + down * height * rng.uniform(0.15, 0.5)
    narrow = rng.uniform(0.45, 0.75)
    p = [
        side - right * left_half,
        top - right * span * 0.28 + down * height * 0.06,
        top,
        top + right * span * 0.28 + down * height * 0.06,
        side + right * right_half,
        jaw + right * right_half * 0.92,
        chin + right * right_half * narrow,
        chin + down * height * 0.08,
        chin - right * left_half * narrow,
        jaw - right * left_half * 0.92,
    ]
    if kind == "gaiter":
        p[5] = p[5] + down * height * 0.9
        p[9] = p[9] + down * height * 0.9
        for i in (6, 7, 8):
            p[i] = p[i] + down * height * 0.9
    return np.array(p, np.float32)


def smooth(polygon):
    """Corners rounded twice (Chaikin 1974)."""
    for _ in range(2):
        after = np.roll(polygon, -1, axis=0)
        polygon = np.stack([0.75 * polygon + 0.25 * after, 0.25 * polygon + 0.75 * after], 1).reshape(-1, 2)
    return polygon


def put_on(picture, landmarks, rng, kind):
    """The picture with a mask over the face."""
    points = np.asarray(landmarks, np.float32).reshape(5, 2)
    polygon = smooth(outline(rng, kind, points))
    h, w = picture.shape[:2]
    x1, y1 = np.floor(np.maximum(polygon.min(0) - 3, 0)).astype(int)
    x2, y2 = np.ceil(np.minimum(polygon.max(0) + 3, [w, h])).astype(int)
    if x2 - x1 < 8 or y2 - y1 < 8:
        return picture
    sheet = np.zeros((y2 - y1, x2 - x1), np.float32)
    cv2.fillPoly(sheet, [np.round((polygon - [x1, y1]) * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_AA, shift=4)
    sheet = cv2.GaussianBlur(sheet, (0, 0), rng.uniform(0.4, 1.2))[..., None]
    cloth = pattern(rng, kind, sheet.shape[:2], colour(rng, kind))
    # The face's own light, coarsely: what is dark on one side stays dark there.
    under = picture[y1:y2, x1:x2].astype(float)
    light = cv2.GaussianBlur(under.mean(2), (0, 0), max(2.0, (x2 - x1) / 5))
    light = light / (light.mean() + 1e-6)
    face = picture[max(y1 - (y2 - y1) // 2, 0) : y1 + 1, x1:x2]
    exposure = np.clip((face.mean() + 40) / 170, 0.35, 1.2)
    cloth = cloth * (1 + rng.uniform(0.3, 0.9) * (light[..., None] - 1)) * exposure
    # Round: darker towards the edge.
    edge = cv2.GaussianBlur(sheet[..., 0], (0, 0), max(2.0, (x2 - x1) / 12))[..., None]
    cloth = cloth * (1 - rng.uniform(0, 0.35) * (1 - edge))
    out = picture.copy().astype(float)
    out[y1:y2, x1:x2] = under * (1 - sheet) + cloth * sheet
    if kind != "gaiter" and rng.random() < 0.7:
        eyes = (points[0] + points[1]) / 2
        for corner, ear in ((0, points[0]), (4, points[1])):
            start = outline_corner(polygon, corner == 0)
            end = start + (ear - eyes) * rng.uniform(0.3, 0.6)
            string = tuple(float(v) for v in np.clip(colour(rng, "surgical") * exposure, 0, 255))
            cv2.line(out, tuple(np.int32(start)), tuple(np.int32(end)), string, 1, cv2.LINE_AA)
    out = np.clip(out, 0, 255).astype(np.uint8)
    quality = int(rng.uniform(60, 95))
    return cv2.imdecode(cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)


def outline_corner(polygon, is_left):
    return polygon[polygon[:, 0].argmin() if is_left else polygon[:, 0].argmax()]
