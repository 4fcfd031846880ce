"""Trains a small convolutional network on the handwritten digits that scikit-learn ships.

Half a minute of real work on a CPU: 1,797 images of 8 × 8 pixels, no download.
"""
import os
import time

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

SECONDS = float(os.environ.get("TRAIN_SECONDS", "25"))


def data():
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    return train_test_split(images, labels, test_size=0.2, random_state=0)


def network():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 16, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10))


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


def main():
    torch.manual_seed(0)
    train_images, test_images, train_labels, test_labels = data()
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_function = nn.CrossEntropyLoss()
    began, epoch = time.monotonic(), 0
    while time.monotonic() - began < SECONDS:
        model.train()
        for batch in torch.randperm(len(train_images)).split(64):
            optimizer.zero_grad()
            loss = loss_function(model(train_images[batch]), train_labels[batch])
            loss.backward()
            optimizer.step()
        epoch += 1
        if epoch % 10 == 1:
            print(f"epoch {epoch:3d}  loss {loss.item():.4f}  accuracy {accuracy(model, test_images, test_labels):.4f}",
                  flush=True)
    print(f"epoch {epoch:3d}  accuracy {accuracy(model, test_images, test_labels):.4f} on digits it has not seen")


if __name__ == "__main__":
    main()
