"""Made-up things before a face, drawn by its five landmarks, and which of left eye, right eye and mouth (as seen in the
picture) they cover."""

import cv2
import masks
import numpy as np

# "glasses" (clear) and "aside" (cheek, forehead, chin) cover nothing and must not be taken for a cover.
KINDS = ["sunglasses", "hand", "hair", "paper", "patch", "cap", "microphone", "mask", "glasses", "aside"]
# Of an eye or mouth, this share must be hidden to count as covered, and may be to count as free; between, nobody knows.
COVERED, FREE = 0.75, 0.1


class Face:
    def __init__(self, picture, landmarks):
        self.points = np.asarray(landmarks, np.float32).reshape(5, 2)
        left, right, self.nose, corner_left, corner_right = self.points
        self.eyes = [left, right]
        self.mouth = (corner_left + corner_right) / 2
        self.span = float(np.linalg.norm(right - left)) + 1e-3
        self.right = (right - left) / self.span
        self.middle = (left + right) / 2
        down = self.mouth - self.middle
        self.height = float(np.linalg.norm(down)) + 1e-3
        self.down = down / self.height
        self.width = float(np.linalg.norm(corner_right - corner_left))
        # A turned head shows less of one cheek.
        self.turn = float(np.clip(np.dot(self.nose - (self.middle + self.mouth) / 2, self.right) / self.span, -0.4, 0.4))
        self.shape = picture.shape[:2]
        cheek = self.nose + self.right * self.span * 0.4
        x, y = np.int32(np.clip(cheek, 2, [self.shape[1] - 3, self.shape[0] - 3]))
        self.skin = picture[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0).astype(float)

    def at(self, across, along):
        """A place, in eye distances from the middle of the eyes, and in heights of eyes to mouth."""
        return self.middle + self.right * self.span * across + self.down * self.height * along

    def regions(self):
        """Three sheets of what has to be seen."""
        y, x = np.mgrid[0 : self.shape[0], 0 : self.shape[1]]
        place = lambda c: np.stack([x - c[0], y - c[1]], -1)
        oval = lambda c, a, b: (place(c) @ self.right / a) ** 2 + (place(c) @ self.down / b) ** 2 <= 1
        eye = lambda c: oval(c, 0.2 * self.span, 0.12 * self.span)
        return [eye(self.eyes[0]), eye(self.eyes[1]), oval(self.mouth, max(0.45 * self.width, 2), 0.16 * self.span)]


def polygon(sheet, points, value=1.0):
    cv2.fillPoly(sheet, [np.round(np.asarray(points) * 16).astype(np.int32)], value, lineType=cv2.LINE_AA, shift=4)


def stroke(sheet, a, b, thickness, value=1.0):
    p = lambda v: tuple(int(c) for c in np.round(np.asarray(v) * 16))
    cv2.line(sheet, p(a), p(b), value, max(1, int(round(thickness))), cv2.LINE_AA, 4)


def lenses(face, rng):
    width, height = rng.uniform(0.37, 0.5), rng.uniform(0.22, 0.42)
    square, drop = rng.uniform(2, 5), rng.uniform(-0.02, 0.14)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    shape = np.stack([np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / square), np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / square)], -1)
    out = []
    for side, eye in zip((-1, 1), face.eyes):
        middle = eye + face.down * face.span * drop + face.right * face.span * side * rng.uniform(0, 0.05)
        w = width * (1 - 0.8 * max(0.0, side * face.turn))
        out.append(middle + face.span * (shape[:, :1] * w * face.right + shape[:, 1:] * height * face.down))
    return out


def frame(face, rng, sheet, rims):
    thick = face.span * rng.uniform(0.02, 0.1)
    for rim in rims:
        cv2.polylines(sheet, [np.round(rim * 16).astype(np.int32)], True, 1.0, max(1, int(round(thick))), cv2.LINE_AA, 4)
    (left, right), rise = rims, face.down * face.span * 0.08
    inner_left, inner_right = left[(left @ face.right).argmax()] - rise, right[(right @ face.right).argmin()] - rise
    stroke(sheet, inner_left, inner_right, thick)
    for rim, side in ((left, -1), (right, 1)):
        outer = rim[(rim @ face.right * side).argmax()]
        stroke(sheet, outer, outer + face.right * face.span * side * rng.uniform(0.1, 0.4), thick)


def spot(face, rng, kind):
    """Where something is held before the face."""
    if kind == "patch":
        return face.eyes[rng.integers(2)] + rng.normal(0, 0.04, 2) * face.span
    if kind == "microphone":
        return face.mouth + face.down * face.span * rng.uniform(-0.1, 0.3) + face.right * face.span * rng.uniform(-0.2, 0.2)
    if kind == "aside":
        across, along = [(0, -1.1), (0, 1.8), (-1.15, 0.7), (1.15, 0.7), (-1.0, 1.4), (1.0, 1.4), (0, -0.8)][rng.integers(7)]
        return face.at(across + rng.uniform(-0.1, 0.1), along + rng.uniform(-0.1, 0.1))
    place = [face.eyes[0], face.eyes[1], face.mouth, face.mouth, face.middle][rng.integers(5)]
    return place + rng.normal(0, 0.12, 2) * face.span


def cloth(rng, shape, colour):
    if rng.random() < 0.5:
        return masks.pattern(rng, "printed", shape, colour)
    return masks.pattern(rng, "cloth", shape, colour)


def draw(picture, face, rng, kind):
    """What hides the face (0–1) and its colours."""
    h, w = face.shape
    sheet, any_colour = np.zeros((h, w), np.float32), rng.uniform(5, 245, 3)
    turned = rng.uniform(0, np.pi)
    way = np.array([np.cos(turned), np.sin(turned)])
    if kind in ("sunglasses", "glasses"):
        rims = lenses(face, rng)
        for rim in rims:
            polygon(sheet, rim)
        dark = rng.uniform(0, 60) + rng.normal(0, 8, 3) if rng.random() < 0.75 else rng.uniform(10, 180, 3)
        y = (np.mgrid[0:h, 0:w].transpose(1, 2, 0)[..., ::-1] - face.middle) @ face.down / face.span
        colours = np.ones((h, w, 3)) * dark + (rng.uniform(0, 60) * np.clip(y, -0.5, 0.5) * rng.choice([-1, 1]))[..., None]
        glare = np.zeros((h, w), np.float32)
        for rim in rims:
            if rng.random() < 0.5:
                centre = rim.mean(0) + rng.normal(0, 0.12, 2) * face.span
                polygon(glare, centre + (rim - rim.mean(0)) * rng.uniform(0.1, 0.5, 2))
        glare = cv2.GaussianBlur(glare, (0, 0), max(0.5, face.span * rng.uniform(0.02, 0.1)))[..., None]
        colours = colours * (1 - glare) + glare * rng.uniform(120, 255)
        rim_sheet = np.zeros((h, w), np.float32)
        if rng.random() < 0.9:
            frame(face, rng, rim_sheet, rims)
        rim_colour = rng.uniform(0, 70, 3) if rng.random() < 0.7 else any_colour
        tint = rng.uniform(0.82, 1.0) if kind == "sunglasses" else rng.uniform(0, 0.15)
        lens = sheet * tint
        if kind == "glasses":  # the glare stays, small
            lens = np.maximum(lens, sheet * glare[..., 0] * (rng.random() < 0.3) * 0.6)
        colours = np.where(rim_sheet[..., None] > 0.5, rim_colour, colours)
        return np.maximum(lens, rim_sheet), colours, sheet * (tint > 0.5)
    centre = spot(face, rng, kind)
    if kind == "hand" or (kind == "aside" and rng.random() < 0.4):
        thick, fingers = face.span * rng.uniform(0.24, 0.36), rng.integers(1, 5) if kind == "aside" else rng.integers(2, 5)
        side = np.array([-way[1], way[0]])
        shade = np.zeros((h, w), np.float32)
        for i in range(fingers):
            start = centre + side * thick * 0.95 * (i - (fingers - 1) / 2) + way * face.span * rng.uniform(0.3, 0.6)
            end = start - way * face.span * rng.uniform(2, 3)
            stroke(sheet, start, end, thick)
            stroke(shade, start, end, thick * 0.55)
        shade = cv2.GaussianBlur(shade, (0, 0), max(0.6, thick / 5))[..., None]
        return sheet, face.skin * rng.uniform(0.75, 1.15) * (0.7 + 0.35 * shade) + rng.normal(0, 3, (h, w, 1)), sheet
    if kind == "hair":
        base = np.array([[20, 22, 28], [30, 45, 70], [60, 100, 150], [110, 110, 115]][rng.integers(4)], float) * rng.uniform(0.7, 1.3)
        lean, reach = rng.uniform(-0.4, 0.4), rng.uniform(0.2, 1.0)
        left, right = sorted(rng.uniform(-1.1, 1.1, 2))
        edge = [face.at(left + (right - left) * t + lean, reach + rng.normal(0, 0.12)) for t in np.linspace(0, 1, 9)]
        polygon(sheet, [face.at(left - 0.2, -2), *edge, face.at(right + 0.2, -2)])
        strands = cv2.GaussianBlur(rng.normal(0, 1, (1, w)).astype(np.float32), (0, 0), 0.8)
        strands = cv2.warpAffine(np.repeat(strands, h, 0), np.float32([[1, lean, -lean * h / 2], [0, 1, 0]]), (w, h), borderMode=cv2.BORDER_REFLECT)
        return sheet, base * (1 + 0.35 * strands[..., None]), sheet
    if kind == "cap":
        low = rng.uniform(0.05, 0.45)
        polygon(sheet, masks.smooth(np.array([face.at(-1.3, -2.2), face.at(-1.2, low - 0.1), face.at(0, low + rng.uniform(-0.05, 0.2)), face.at(1.2, low - 0.1), face.at(1.3, -2.2)], np.float32)))
        return sheet, cloth(rng, (h, w), any_colour), sheet
    if kind == "microphone":
        big = face.span * rng.uniform(0.28, 0.5)
        angle = np.linspace(0, 2 * np.pi, 30)
        polygon(sheet, centre + big * np.stack([np.cos(angle), np.sin(angle) * rng.uniform(0.9, 1.3)], -1))
        stroke(sheet, centre, centre + face.down * face.span * 3 + face.right * face.span * rng.uniform(-1.5, 1.5), big * rng.uniform(0.5, 1.0))
        grey = rng.uniform(10, 90) if rng.random() < 0.7 else rng.uniform(10, 220, 3)
        return sheet, grey + rng.normal(0, 10, (h, w, 1)) + np.zeros((h, w, 3)), sheet
    if kind == "patch":
        angle = np.linspace(0, 2 * np.pi, 30)
        polygon(sheet, centre + face.span * np.stack([np.cos(angle) * rng.uniform(0.3, 0.45), np.sin(angle) * rng.uniform(0.26, 0.4)], -1))
        if rng.random() < 0.6:
            stroke(sheet, centre - way * face.span * 2, centre + way * face.span * 2, face.span * 0.06)
        return sheet, cloth(rng, (h, w), rng.uniform(5, 60, 3) if rng.random() < 0.5 else any_colour), sheet
    size = face.span * (rng.uniform(0.2, 0.4, 2) if kind == "aside" else rng.uniform(0.4, 1.1, 2))
    side = np.array([-way[1], way[0]])
    polygon(sheet, [centre + way * size[0] * a + side * size[1] * b for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))])
    return sheet, cloth(rng, (h, w), any_colour), sheet


def put_before(picture, landmarks, rng, kind):
    """The picture with a thing before the face, and what it covers: 1 covered, 0 free, -1 nobody knows."""
    face = Face(picture, landmarks)
    if kind == "mask":
        masked = masks.put_on(picture, landmarks, rng, masks.KINDS[rng.integers(len(masks.KINDS))])
        return masked, [0, 0, 1]
    sheet, colours, hides = draw(picture, face, rng, kind)
    light = cv2.GaussianBlur(picture.astype(np.float32).mean(2), (0, 0), max(2.0, face.span / 2))
    light = light / (light.mean() + 1e-6)
    exposure = np.clip((face.skin.mean() + 40) / 170, 0.35, 1.2)
    colours = colours * exposure * (1 + rng.uniform(0.2, 0.7) * (np.clip(light, 0.3, 2)[..., None] - 1))
    soft = cv2.GaussianBlur(sheet, (0, 0), rng.uniform(0.4, 1.0))[..., None]
    out = np.clip(picture * (1 - soft) + np.clip(colours, 0, 255) * soft, 0, 255).astype(np.uint8)
    out = cv2.imdecode(cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(60, 95))])[1], 1)
    shares = [float(hides[region].mean()) if region.any() else 0.5 for region in face.regions()]
    return out, [1 if share >= COVERED else 0 if share <= FREE else -1 for share in shares]
