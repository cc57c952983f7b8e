/* Stands in for libnvinfer, libnvonnxparser and libnvinfer_plugin, so that TensorRT's Python bindings import without
 * TensorRT. Enough to look at names and signatures; nothing can be created. VERSION is the library's: 101600, 110400. */
#include <stddef.h>

void *createInferBuilder_INTERNAL(void *logger, int version) { return NULL; }
void *createInferRefitter_INTERNAL(void *engine, void *logger, int version) { return NULL; }
void *createInferRuntime_INTERNAL(void *logger, int version) { return NULL; }
void *createNvOnnxParser_INTERNAL(void *network, void *logger, int version) { return NULL; }
void *createNvOnnxParserRefitter_INTERNAL(void *refitter, void *logger, int version) { return NULL; }
void *getBuilderPluginRegistry(int capability) { return NULL; }
void *getPluginRegistry(void) { return NULL; }
int getInferLibVersion(void) { return VERSION; }
int getNvOnnxParserVersion(void) { return VERSION; }
int initLibNvInferPlugins(void *logger, const char *library_namespace) { return 0; }
