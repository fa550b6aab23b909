// The only include of napi.h, so that every file of the glue sees the same definitions.
#pragma once

// Instance data, detaching and type tags; one binary serves Node 18 and later, and Electron.
#define NAPI_VERSION 8
#define NODE_ADDON_API_DISABLE_DEPRECATED
// Finalizers that run in the collector may not call JavaScript: the compiler holds us to it.
#define NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS
// Electron has no external buffers; results live in arrays that JavaScript allocated.
#define NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
// An error that cannot be thrown because its worker is being terminated is dropped rather than fatal.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS

#include <napi.h>
