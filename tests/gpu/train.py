#!/usr/bin/env python3
"""train.py SECONDS: a transformer learns in bf16 on the first GPU that is visible, watched by everywatt.torch.

Ends with a line of JSON: what the loop knows of itself, to hold its bill against.
"""
import json
import sys
import time

import everywatt.torch
import torch

LAYERS, WIDTH, BATCH, LENGTH = 8, 2048, 16, 512


def main():
    seconds = float(sys.argv[1])
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(WIDTH, 16, 4 * WIDTH, batch_first=True, dropout=0.0)
    model = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).to("cuda", torch.bfloat16)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    batch = torch.randn(BATCH, LENGTH, WIDTH, device="cuda", dtype=torch.bfloat16)
    torch.cuda.synchronize()
    steps, begun = 0, time.time()
    with everywatt.torch.watch(model, optimizer, flops=True):
        while time.time() - begun < seconds:
            with everywatt.phase("epoch"):
                for _ in range(20):
                    optimizer.zero_grad()
                    model(batch).float().square().mean().backward()
                    optimizer.step()
                    everywatt.count("tokens", BATCH * LENGTH)
                    steps += 1
                torch.cuda.synchronize()
    parameters = sum(p.numel() for p in model.parameters())
    # 6 for each weight and token, and the attention's two products, forward and twice backward.
    flops = steps * BATCH * LENGTH * (6 * parameters + 12 * LAYERS * LENGTH * WIDTH)
    print(json.dumps({"steps": steps, "flops": flops, "begin": begun, "end": time.time(), "amount": steps, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
