"""Loads for an NVIDIA GPU without any toolkit: PTX that the driver compiles, through libcuda.so.1.

    gpu = Gpu(0)
    gpu.compute(seconds=10)    # fused multiply-adds in registers
    gpu.memory(seconds=10)     # a buffer copied back and forth
    gpu.pulses(seconds=10, on=0.025, off=0.075)
"""
import ctypes
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
        self.rounds = max(1, int(1000 * 0.005 / self.time_of(self.launch)))  # a launch of 5 ms

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

    def compute(self, seconds):
        return self.repeat(self.launch, seconds)

    def memory(self, seconds, size=1 << 30):
        """Bytes read and written."""
        one, two = self.allocate(size), self.allocate(size)
        times = self.repeat(lambda: self("cuMemcpyDtoD_v2", two, one, ctypes.c_size_t(size)), seconds)
        for pointer in (one, two):
            self("cuMemFree_v2", pointer)
        return 2 * times * size

    def copy_to_device(self, seconds, size=1 << 28):
        """Bytes over the bus, from pinned memory."""
        host = ctypes.c_void_p()
        self("cuMemAllocHost_v2", ctypes.byref(host), ctypes.c_size_t(size))
        device = self.allocate(size)
        times = self.repeat(lambda: self("cuMemcpyHtoD_v2", device, host, ctypes.c_size_t(size)), seconds)
        self("cuMemFree_v2", device)
        self("cuMemFreeHost", host)
        return times * size

    def pulses(self, seconds, on, off):
        """Work and rest by turns, on one grid. The share of the time in which it worked."""
        begun = time.perf_counter()
        worked = turn = 0
        while (now := time.perf_counter()) - begun < seconds:
            until = begun + turn * (on + off) + on
            while time.perf_counter() < until:
                self.launch()
                self.wait()
            worked += time.perf_counter() - now
            turn += 1
            time.sleep(max(0.0, begun + turn * (on + off) - time.perf_counter()))
        return worked / (time.perf_counter() - begun)
