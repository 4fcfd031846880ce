"""The machines of bench/side_by_side.py: what is on each, and as TOML (docs/formats/lab.md) what the lab needs to know.

The peers' windows begin LEAD seconds after the scenario; <middle> is their middle, <from> and <to> a tenth of their length before and
after it. Where there is
no counter the power moves a little at all times, as on every real board: zeus keeps only readings that differ from the last.
"""
from dataclasses import dataclass

LEAD = 6.0  # seconds in which the tools start

@dataclass
class Scene:
    name: str
    what: str
    toml: str
    share: float = 1  # of the GPU's work: the job's

    def text(self, seconds):
        middle = LEAD + seconds / 2
        times = {"from": middle - seconds / 10, "middle": middle, "to": middle + seconds / 10, "later": middle + 1}
        text = self.toml
        for name, value in times.items():
            text = text.replace(f"<{name}>", f"{value:g}")
        # What comes after a defect belongs to it: the process is the GPU's.
        head, defect, tail = text.partition("[[defect]]")
        process = f'[[gpu.process]]\npid = "job-child"\nshare = {self.share}\n'
        return head + process + defect + tail


def wave(low, high, period, duty=0.5):
    return f"""
watts = [{{ low = {low}, high = {high}, period_s = {period}, duty = {duty} }}, {{ bursts = 6, seed = 3 }}]
idle_watts = {low}
utilisation = {{ low = 0, high = 1, period_s = {period}, duty = {duty} }}
"""


def gpu(name, rest, node=""):
    return f'{node}\n[[gpu]]\nname = "{name}"\n{rest}'


H100 = "NVIDIA H100 80GB HBM3"
STEADY = "watts = [300, { bursts = 20, seed = 5 }]\nidle_watts = 70\nutilisation = 0.9\n"

SCENES = (
    Scene("steady", "H100, honest counter, steady load", gpu(H100, STEADY)),
    Scene("square", "H100, honest counter, square wave of 1.7 s", gpu(H100, wave(110, 520, 1.7, 0.4))),
    Scene("instant-100", "L4 without counter (as in a virtual machine), power of the last 100 ms every 100 ms; wave of 1.3 s",
          gpu("NVIDIA L4", wave(20, 68, 1.3, 0.6) + "counter = false\naverage = false\n")),
    Scene("average-1000", "RTX 3090 without counter, only the mean over 1 s every 100 ms; wave of 1.3 s",
          gpu("NVIDIA GeForce RTX 3090", wave(35, 330, 1.3, 0.6) + "counter = false\ninstant = false\n")),
    Scene("pascal", "P100 (has no counter), power of 10 of every 20 ms; wave of 0.73 s",
          gpu("Tesla P100-SXM2-16GB", wave(40, 240, 0.73, 0.6))),
    Scene("pascal-in-step", "the same; wave of 0.7 s, in step with a look every 100 ms",
          gpu("Tesla P100-SXM2-16GB", wave(40, 240, 0.7, 0.6))),
    Scene("part-time", "A100 without counter, 25 of every 100 ms seen; wave of 0.73 s, which does not alias",
          gpu("NVIDIA A100-SXM4-40GB", wave(60, 330, 0.73, 0.6) + "counter = false\n")),
    Scene("aliasing", "the same; wave of 0.1 s, in step with the sensor, which sees only its low half",
          gpu("NVIDIA A100-SXM4-40GB", wave(60, 330, 0.1) + "counter = false\n")),
    Scene("low-at-idle", "H100, counter 43 % low while idle (zeus issue 181), idle but for a fifth of the time",
          gpu(H100, "watts = [{ steps = [[0, 65], [<from>, 480], [<to>, 65]] }, { bursts = 2, seed = 7 }]\nidle_watts = 65\n"
              "utilisation = { steps = [[0, 0], [<from>, 1], [<to>, 0]] }\ncounter = { low_below_watts = 100, low_factor = 0.57 }\n")),
    Scene("reload", "H100, the driver is loaded anew within a second: counter from 0, old handles void",
          gpu(H100, STEADY + 'counter = { start = 5000000 }\n[[defect]]\nkind = "reloads"\nfrom_s = <middle>\nto_s = <later>\n')),
    Scene("lost", "H100 that falls off the bus for a fifth of the time and returns",
          gpu(H100, STEADY + '[[defect]]\nkind = "answers"\nstatus = "gpu_is_lost"\nfrom_s = <from>\nto_s = <to>\n')),
    Scene("kepler", "K40 under driver 470: no counter, one power call that follows with 50 ms; wave of 3 s",
          gpu("Tesla K40m", wave(60, 190, 3.0), '[node]\ndriver = "470.82.01"\ncuda = "11.4"\n')),
    Scene("gh200", "GH200: the module's meters hold the processor as well; wave of 1.3 s",
          gpu("NVIDIA GH200 120GB", wave(150, 550, 1.3) + "module = { watts = { low = 260, high = 740, period_s = 1.3 } }\n")),
    Scene("shared", "H100 shared with a foreign process, two fifths of the work",
          gpu(H100, "watts = [{ low = 75, high = 420, period_s = 2.3, duty = 0.8 }, { bursts = 6, seed = 3 }]\nidle_watts = 75\n"
              "utilisation = { low = 0, high = 1, period_s = 2.3, duty = 0.8 }\n"
              '[[gpu.process]]\npid = 4711\nshare = 0.4\nmemory_mib = 8192\n'), share=0.6),
    Scene("board", "H100 whose sensors, the counter too, show 4.5 % too little",
          gpu(H100, wave(110, 520, 1.7, 0.4) + "counter = { gain = 0.955 }\ninstant = { gain = 0.955, window_ms = 25, period_ms = 100 }\n"
              "average = { gain = 0.955, window_ms = 1000, period_ms = 100 }\n"
              "usage = { gain = 0.955, window_ms = 1000, period_ms = 100 }\n")),
)
QUICK = ("square", "pascal", "reload")
