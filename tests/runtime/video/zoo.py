"""Clips of many containers, codecs and oddities, made by ffmpeg, and how ffmpeg itself decodes them.

ffmpeg turns frames upright on its own; that pixels are square after it is asked for.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

FRAMES = 12
WIDTH, HEIGHT = 96, 64
# Nothing in it is symmetric, and all of it moves.
PATTERN = ["-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25,gblur=sigma=1.5"]
H264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"]
SCALE = "scale=w='if(gt(sar,1),round(iw*sar),iw)':h='if(gt(sar,1)+not(sar),ih,round(ih/sar))':flags=bilinear,setsar=1"


@dataclass(frozen=True)
class Clip:
    """Made by `ffmpeg INPUT ARGUMENTS name`. stream: what ffmpeg reads of it. copied: from the clip `base.mp4`.

    sited: where halved colours (4:2:0) are stretched or interlaced, ffmpeg minds where in a pixel they lie, PyAV not.
    """

    name: str
    arguments: list[str]
    filter: str = ""
    before: list[str] = field(default_factory=list)
    copied: bool = False
    damaged: int | None = None  # number of the packet that is overwritten by zeros
    stream: str = "0:V"  # no attached pictures
    sited: bool = False

    def make(self, folder: Path) -> Path:
        path = folder / self.name
        if self.copied:
            source = [*self.before, "-i", str(_base(folder)), *self.arguments, "-c", "copy"]
        else:
            source = [*self.before, *PATTERN, *self.arguments, "-frames:v", str(FRAMES)]
        ffmpeg([*source, *(["-vf", self.filter] if self.filter else []), str(path)])
        if self.damaged is not None:
            overwrite_packet(path, self.damaged)
        return path


def turned(degrees: int, mirrored: bool, suffix: str = ".mp4") -> Clip:
    before = ["-display_rotation", str(degrees), *(["-display_hflip"] if mirrored else [])]
    return Clip(f"turned{degrees}{'m' * mirrored}{suffix}", [], before=before, copied=True)


def h264(name: str, *arguments: str, filter: str = "", damaged: int | None = None, sited: bool = False) -> Clip:
    return Clip(name, [*H264, *arguments], filter, damaged=damaged, sited=sited)


_COVER = ["-f", "lavfi", "-i", "color=red:size=40x40", "-map", "1", "-map", "0", "-c:v:0", "mjpeg", "-c:v:1", "libx264",
          "-pix_fmt:v:1", "yuv420p", "-disposition:v:0", "attached_pic", "-frames:v:0", "1"]  # fmt: skip
_SOUND = ["-f", "lavfi", "-i", "sine=duration=3", "-map", "1", "-map", "0"]
_SECOND = [
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=128x80:rate=25,vflip",
    "-map",
    "0",
    "-map",
    "1",
    "-frames:v:1",
    str(FRAMES),
]

CLIPS = [
    h264("plain.mp4", "-bf", "3"),
    h264("plain.mov"),
    h264("plain.mkv", "-bf", "3"),
    h264("plain.ts"),
    h264("plain.flv"),
    h264("fragmented.mp4", "-movflags", "frag_keyframe+empty_moov", "-g", "4"),
    h264("faststart.mp4", "-movflags", "faststart"),
    h264("open-gop.mp4", "-g", "6", "-x264-params", "open-gop=1:bframes=2"),
    h264("interlaced.mp4", "-flags", "+ilme+ildct", "-x264-params", "tff=1", sited=True),
    h264("full-range.mp4", "-color_range", "pc", filter="scale=out_range=pc"),
    h264("bt709.mp4", "-colorspace", "bt709", filter="scale=out_color_matrix=bt709"),
    Clip("rgb.mkv", ["-c:v", "libx264rgb", "-qp", "0"]),
    Clip("422.mkv", ["-c:v", "libx264", "-pix_fmt", "yuv422p"]),
    Clip("444.mkv", ["-c:v", "libx264", "-pix_fmt", "yuv444p"]),
    Clip("gray.mkv", ["-c:v", "libx264", "-pix_fmt", "gray"]),
    Clip("h264-10bit.mkv", ["-c:v", "libx264", "-pix_fmt", "yuv420p10le"], sited=True),
    Clip("hevc.mp4", ["-c:v", "libx265", "-x265-params", "log-level=none"]),
    Clip(
        "hevc-10bit.mp4", ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"], sited=True
    ),
    Clip("mpeg4.avi", ["-c:v", "mpeg4", "-vtag", "XVID", "-q:v", "3"]),
    Clip("mpeg4-b.mp4", ["-c:v", "mpeg4", "-bf", "2", "-q:v", "3"]),
    Clip("mpeg2.mpg", ["-c:v", "mpeg2video", "-q:v", "3"]),
    Clip("mpeg2.ts", ["-c:v", "mpeg2video", "-bf", "2", "-q:v", "3"]),
    Clip("wmv2.wmv", ["-c:v", "wmv2", "-q:v", "3"]),
    Clip("vp8.webm", ["-c:v", "libvpx", "-b:v", "1M"]),
    Clip("vp9.webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime"]),
    Clip("vp9-alpha.webm", ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-deadline", "realtime"]),
    Clip("av1.mp4", ["-c:v", "libsvtav1", "-preset", "12"]),
    Clip("mjpeg.avi", ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "3"]),
    Clip("raw.mjpeg", ["-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-q:v", "3"]),
    Clip("prores.mov", ["-c:v", "prores_ks", "-profile:v", "3"]),
    Clip("prores4444.mov", ["-c:v", "prores_ks", "-profile:v", "4", "-pix_fmt", "yuva444p10le"]),
    Clip("dnxhr.mov", ["-c:v", "dnxhd", "-profile:v", "dnxhr_sq", "-pix_fmt", "yuv422p"], "scale=256:120"),
    Clip("ffv1.mkv", ["-c:v", "ffv1", "-pix_fmt", "bgr0"]),
    Clip("gray16.mkv", ["-c:v", "ffv1", "-pix_fmt", "gray16le"]),
    Clip("huffyuv.avi", ["-c:v", "huffyuv", "-pix_fmt", "yuv422p"]),
    Clip("animation.mov", ["-c:v", "qtrle", "-pix_fmt", "argb"]),
    Clip("rawvideo.avi", ["-c:v", "rawvideo", "-pix_fmt", "bgr24"]),
    Clip("uncompressed.y4m", ["-pix_fmt", "yuv420p"]),
    Clip("animated.gif", []),
    Clip("animated.png", ["-f", "apng", "-plays", "0", "-pix_fmt", "rgb24"]),
    Clip("animated.webp", ["-c:v", "libwebp_anim", "-lossless", "1"]),
    Clip("animated.apng", ["-plays", "0", "-pix_fmt", "rgb24"]),
    Clip("odd.mp4", ["-c:v", "libx264", "-pix_fmt", "yuv444p"], "crop=91:61,setsar=1"),
    Clip("odd420.webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-pix_fmt", "yuv420p"], "crop=91:61,setsar=1"),
    Clip("vfr.mp4", [*H264, "-fps_mode", "vfr"], "setpts='(N+N*N/3)/25/TB'"),
    Clip("vfr.mkv", [*H264, "-fps_mode", "vfr", "-bf", "2"], "setpts='(N+N*N/3)/25/TB'"),
    Clip("rare.mkv", [*H264, "-fps_mode", "vfr"], "setpts=N*600/TB"),
    *(turned(degrees, mirrored) for degrees in (0, 90, 180, 270) for mirrored in (False, True)),
    turned(90, False, ".mov"),
    turned(90, True, ".mkv"),
    h264("sar2.mp4", filter="setsar=2/1", sited=True),
    h264("sar-half.mkv", filter="setsar=1/2", sited=True),
    Clip("pal-wide.mpg", ["-c:v", "mpeg2video", "-q:v", "3"], "setdar=16/9", sited=True),
    Clip("cover-first.mp4", _COVER, stream="0:V"),
    Clip("sound-first.mp4", [*_SOUND, *H264]),
    Clip("sound-longer.flv", [*_SOUND, *H264, "-ar", "44100"]),
    Clip("edit-list.mp4", [], before=["-ss", "0.2"], copied=True),
    Clip("two-streams.mp4#0", [*_SECOND, *H264], stream="0:v:0"),
    Clip("two-streams.mp4#1", [*_SECOND, *H264], stream="0:v:1"),
    h264("damaged.mp4", "-g", "6", damaged=4),
    Clip("damaged.avi", ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"], damaged=5),
    Clip("damaged-mpeg4.mp4", ["-c:v", "mpeg4", "-g", "6"], damaged=3),
    Clip("damaged-vp9.webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime"], damaged=4),
    Clip("damaged-av1.mp4", ["-c:v", "libsvtav1", "-preset", "12"], damaged=4),
    Clip("damaged-hevc.mp4", ["-c:v", "libx265", "-x265-params", "log-level=none:keyint=6"], damaged=4),
]


def _base(folder: Path) -> Path:
    path = folder / "base.mp4"
    if not path.exists():
        ffmpeg([*PATTERN, *H264, "-frames:v", str(FRAMES), str(path)])
    return path


def ffmpeg(arguments: list[str]) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-threads", "1", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def overwrite_packet(path: Path, number: int, part: float = 1.0) -> None:
    """Packet `number` of the first video stream becomes zeros, or its last `part` does."""
    import av

    with av.open(str(path)) as container:
        packet = next(p for i, p in enumerate(container.demux(video=0)) if i == number)
        content, position = bytes(packet), packet.pos
    data = bytearray(path.read_bytes())
    position = data.index(content, position or 0)  # Matroska counts its own head of a packet
    size = round(part * len(content))
    data[position + len(content) - size : position + len(content)] = bytes(size)
    path.write_bytes(data)


@dataclass(frozen=True)
class Decoded:
    """images uint8 (n, H, W, 3) BGR; times (n,) in seconds since the first; tick: of the clip's clock, in seconds."""

    images: NDArray[np.uint8]
    times: NDArray[np.float64]
    tick: float


def decoded_by_ffmpeg(path: Path, stream: str, size: tuple[int, int]) -> Decoded:
    """size: (W, H) that its frames should have. What ffmpeg cannot decode it leaves out, as we should."""
    raw, stamps = path.with_suffix(".raw"), path.with_suffix(".crc")
    same = ["-map", stream, "-vf", SCALE, "-fps_mode", "passthrough", "-pix_fmt", "bgr24", "-enc_time_base", "demux"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "quiet", "-y", "-copyts", "-i", str(path)]
    outputs = [*same, "-f", "rawvideo", str(raw), *same, "-c:v", "rawvideo", "-f", "framecrc", str(stamps)]
    subprocess.run([*command, *outputs], check=False, timeout=60)
    lines = stamps.read_text().splitlines()
    tick = float(Fraction(next(line.split()[2] for line in lines if line.startswith("#tb"))))
    ticks = np.array([int(line.split(",")[2]) for line in lines if not line.startswith("#")], np.float64)
    images = np.fromfile(raw, np.uint8).reshape(-1, size[1], size[0], 3)
    return Decoded(images, (ticks - ticks[0]) * tick, tick)
