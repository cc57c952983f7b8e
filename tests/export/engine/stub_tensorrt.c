/* What the real Python bindings of TensorRT link to, doing nothing: enough to import them without TensorRT. */
#include <stddef.h>
void *createInferBuilder_INTERNAL(void *l, int v) { return NULL; }
void *createInferRefitter_INTERNAL(void *e, void *l, int v) { return NULL; }
void *createInferRuntime_INTERNAL(void *l, int v) { return NULL; }
void *createNvOnnxParserRefitter_INTERNAL(void *r, void *l, int v) { return NULL; }
void *createNvOnnxParser_INTERNAL(void *n, void *l, int v) { return NULL; }
void *getBuilderPluginRegistry(int c) { return NULL; }
int getNvOnnxParserVersion(void) { return VERSION; }
void *getPluginRegistry(void) { return NULL; }
int initLibNvInferPlugins(void *l, const char *ns) { return 0; }
int getInferLibVersion(void) { return VERSION; }
