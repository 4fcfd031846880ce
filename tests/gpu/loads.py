#!/usr/bin/env python3
"""Loads for an NVIDIA GPU without any toolkit: PTX that the driver compiles, through libcuda.so.1 (matmul takes PyTorch).

    loads.py LOAD SECONDS [NUMBER…]

    idle      a context, and no work
    compute   fused multiply-adds in registers; counts floating-point operations
    memory    a buffer copied back and forth; counts bytes read and written
    copy      pinned memory to the GPU; counts bytes over the bus
    pulses    ON OFF SHIFT: work and rest by turns (seconds), on a grid of the wall clock; counts seconds of work
    matmul    products of two bf16 matrices of 8192 × 8192; counts floating-point operations

Ends with a line of JSON: {"amount": …, "begin": …, "end": …}, what was counted between two times of the wall clock. On the
first GPU that is visible.
"""
import ctypes
import json
import math
import sys
import time

# Each thread multiplies and adds in registers; the result is stored so that nothing is thrown away.
PTX = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry burn(.param .u64 out, .param .u32 rounds)
{
    .reg .pred %p;
    .reg .f32 %f<6>;
    .reg .b32 %r<8>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [out];
    ld.param.u32 %r1, [rounds];
    mov.u32 %r2, %tid.x;
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ntid.x;
    mad.lo.u32 %r5, %r3, %r4, %r2;
    cvt.rn.f32.u32 %f1, %r5;
    mov.f32 %f2, 0f3F7FFFFE;
    mov.f32 %f3, 0f3F000000;
    mov.f32 %f4, %f1;
    mov.u32 %r6, 0;
again:
    fma.rn.f32 %f1, %f1, %f2, %f3;
    fma.rn.f32 %f4, %f4, %f2, %f3;
    fma.rn.f32 %f1, %f1, %f2, %f3;
    fma.rn.f32 %f4, %f4, %f2, %f3;
    add.u32 %r6, %r6, 1;
    setp.lt.u32 %p, %r6, %r1;
    @%p bra again;
    add.f32 %f5, %f1, %f4;
    mul.wide.u32 %rd2, %r5, 4;
    add.u64 %rd3, %rd1, %rd2;
    st.global.f32 [%rd3], %f5;
    ret;
}
"""
THREADS = 256
LAUNCH = 0.002  # seconds
FLOPS_A_ROUND = 8  # four fused multiply-adds


class Gpu:
    """One GPU with a context of its own. Errors of the driver are exceptions that name the call."""

    def __init__(self, index):
        self.cuda = ctypes.CDLL("libcuda.so.1")
        self("cuInit", 0)
        device = ctypes.c_int()
        self("cuDeviceGet", ctypes.byref(device), index)
        self.context = ctypes.c_void_p()
        self("cuCtxCreate_v2", ctypes.byref(self.context), 0, device)
        processors = ctypes.c_int()
        self("cuDeviceGetAttribute", ctypes.byref(processors), 16, device)  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
        self.blocks = processors.value * 8
        module = ctypes.c_void_p()
        self("cuModuleLoadData", ctypes.byref(module), PTX)
        self.burn = ctypes.c_void_p()
        self("cuModuleGetFunction", ctypes.byref(self.burn), module, b"burn")
        self.out = self.allocate(self.blocks * THREADS * 4)
        self.rounds = 1000
        self.rounds = max(1, int(1000 * LAUNCH / self.time_of(self.launch)))

    def __call__(self, name, *arguments):
        status = getattr(self.cuda, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name} failed with CUDA status {status}")

    def allocate(self, size):
        pointer = ctypes.c_uint64()
        self("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer

    def launch(self):
        rounds = ctypes.c_uint32(self.rounds)
        arguments = (ctypes.c_void_p * 2)(ctypes.cast(ctypes.byref(self.out), ctypes.c_void_p),
                                          ctypes.cast(ctypes.byref(rounds), ctypes.c_void_p))
        self("cuLaunchKernel", self.burn, self.blocks, 1, 1, THREADS, 1, 1, 0, None, arguments, None)

    def wait(self):
        self("cuCtxSynchronize")

    def time_of(self, work):
        work()
        self.wait()
        begun = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - begun

    def repeat(self, work, seconds):
        """How often it was done."""
        end, times = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            work()
            self.wait()
            times += 1
        return times


def idle(gpu, seconds):
    time.sleep(seconds)
    return 0


def compute(gpu, seconds):
    return gpu.repeat(gpu.launch, seconds) * gpu.blocks * THREADS * gpu.rounds * FLOPS_A_ROUND


def memory(gpu, seconds, size=1 << 30):
    one, two = gpu.allocate(size), gpu.allocate(size)
    return 2 * size * gpu.repeat(lambda: gpu("cuMemcpyDtoD_v2", two, one, ctypes.c_size_t(size)), seconds)


def copy(gpu, seconds, size=1 << 28):
    host = ctypes.c_void_p()
    gpu("cuMemAllocHost_v2", ctypes.byref(host), ctypes.c_size_t(size))
    device = gpu.allocate(size)
    return size * gpu.repeat(lambda: gpu("cuMemcpyHtoD_v2", device, host, ctypes.c_size_t(size)), seconds)


def pulses(gpu, seconds, on, off, shift):
    period = on + off
    turn = math.ceil(time.time() / period)
    worked, end = 0.0, time.time() + seconds
    while time.time() < end:
        begin = turn * period + shift
        time.sleep(max(0.0, begin - time.time()))
        begun = time.time()
        while time.time() < begin + on:
            gpu.launch()
            gpu.wait()
        worked += time.time() - begun
        turn += 1
    return worked


def matmul(seconds, size=8192):
    import torch

    one, two = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    out = torch.empty_like(one)

    def some():
        for _ in range(8):
            torch.matmul(one, two, out=out)
        torch.cuda.synchronize()

    some()
    begin, times = time.time(), 0
    while time.time() < begin + seconds:
        some()
        times += 8
    return 2 * size**3 * times, begin


def main():
    kind, seconds, numbers = sys.argv[1], float(sys.argv[2]), [float(word) for word in sys.argv[3:]]
    if kind == "matmul":
        amount, begin = matmul(seconds)
    else:
        gpu = Gpu(0)
        begin = time.time()
        amount = {"idle": idle, "compute": compute, "memory": memory, "copy": copy, "pulses": pulses}[kind](gpu, seconds, *numbers)
    print(json.dumps({"amount": amount, "begin": begin, "end": time.time()}))


if __name__ == "__main__":
    main()
