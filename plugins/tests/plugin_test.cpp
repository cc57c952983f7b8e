// The TensorRT plugin, driven as TensorRT drives it: through its two exported functions and the interfaces they lead
// to. The kernel runs on the host. Ends with 1 and a line per failed expectation.
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>

#include "expressions.h"
#include "reference.h"

extern "C" nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count);
extern "C" void setLoggerFinder(nvinfer1::ILoggerFinder* finder);

namespace {

using namespace nvinfer1;

int failures = 0;

#define EXPECT(condition)                                                  \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::printf("%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                          \
    }                                                                      \
  } while (false)

struct Log final : ILogger {
  void log(Severity, AsciiChar const* message) noexcept override { last = message; }
  std::string last;
};

struct Finder final : ILoggerFinder {
  ILogger* findLogger() override { return &log; }
  Log log;
} finder;

IPluginCreatorV3One& creator() {
  int32_t count = 0;
  IPluginCreatorInterface* const* creators = getCreators(count);
  EXPECT(count == 1);
  EXPECT(std::string(creators[0]->getInterfaceInfo().kind) == "PLUGIN CREATOR_V3ONE");
  return *static_cast<IPluginCreatorV3One*>(creators[0]);
}

IPluginV3* create(std::vector<PluginField> fields) {
  const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  return creator().createPlugin("node", &collection, TensorRTPhase::kBUILD);
}

template <class Capability>
Capability& as(IPluginV3* plugin, PluginCapabilityType type) {
  return *static_cast<Capability*>(plugin->getCapabilityInterface(type));
}
IPluginV3OneBuild& build(IPluginV3* plugin) { return as<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD); }
IPluginV3OneRuntime& runtime(IPluginV3* plugin) {
  return as<IPluginV3OneRuntime>(plugin, PluginCapabilityType::kRUNTIME);
}

/// The attributes that a plugin would write into a plan.
std::vector<int32_t> serialised(IPluginV3* plugin) {
  const PluginFieldCollection* fields = runtime(plugin).getFieldsToSerialize();
  std::vector<int32_t> values;
  for (int32_t i = 0; i < fields->nbFields; ++i) {
    EXPECT(fields->fields[i].type == PluginFieldType::kINT32);
    values.push_back(*static_cast<const int32_t*>(fields->fields[i].data));
  }
  return values;
}

void identity() {
  EXPECT(std::string(creator().getPluginName()) == "DynamicMaskHead");
  EXPECT(std::string(creator().getPluginVersion()) == "1");
  EXPECT(std::string(creator().getPluginNamespace()) == "stc");
  EXPECT(creator().getFieldNames()->nbFields == 4);
  IPluginV3* plugin = create({});
  auto& core = as<IPluginV3OneCore>(plugin, PluginCapabilityType::kCORE);
  EXPECT(std::string(core.getPluginName()) == "DynamicMaskHead" && std::string(core.getPluginNamespace()) == "stc");
  EXPECT(build(plugin).getNbOutputs() == 1);
  delete plugin;
}

void attributes() {
  const int32_t four = 4, eight = 8;
  const int64_t wide = 4, huge = int64_t{1} << 40;
  const float real = 8;
  const char version[] = "1";
  IPluginV3* plugin = create({{"channels", &four, PluginFieldType::kINT32, 1},
                              {"upsample", &wide, PluginFieldType::kINT64, 1},
                              {"plugin_version", version, PluginFieldType::kCHAR, 1}});
  EXPECT(plugin && (serialised(plugin) == std::vector<int32_t>{4, 3, 8, 4}));
  IPluginV3* again = creator().createPlugin("again", runtime(plugin).getFieldsToSerialize(), TensorRTPhase::kRUNTIME);
  IPluginV3* copies[] = {plugin->clone(), runtime(plugin).attachToContext(nullptr), again};
  for (IPluginV3* copy : copies) {
    EXPECT(copy && copy != plugin && serialised(copy) == serialised(plugin));
    delete copy;
  }
  delete plugin;

  const struct {
    PluginField field;
    const char* message;
  } refused[] = {
      {{"chanels", &eight, PluginFieldType::kINT32, 1}, "unknown attribute 'chanels'"},
      {{"stride", &real, PluginFieldType::kFLOAT32, 1}, "stride must be an integer"},
      {{"stride", &huge, PluginFieldType::kINT64, 1}, "stride must be from 1 to 32767, found 1099511627776"},
      {{"stride", nullptr, PluginFieldType::kINT32, 0}, "stride must be one integer, found 0 values"},
      {{"layers", &eight, PluginFieldType::kINT32, 1},
       "no kernel is compiled for these channels and layers: channels 8, layers 8"},
  };
  for (const auto& row : refused) {
    finder.log.last.clear();
    EXPECT(create({row.field}) == nullptr);
    if (finder.log.last.find(row.message) == std::string::npos) {
      std::printf("logged '%s' instead of '%s'\n", finder.log.last.c_str(), row.message);
      ++failures;
    }
  }
}

using Shape = std::vector<int64_t>;

std::vector<Shape> shapes(int64_t batch, int64_t instances, int64_t height, int64_t width) {
  return {{batch, 8, height, width}, {batch, instances, 169}, {batch, instances, 2}, {batch, instances}, {batch}};
}

Dims dims_of(const Shape& shape) {
  Dims dims{};
  dims.nbDims = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) dims.d[i] = shape[i];
  return dims;
}

void output_shapes() {
  IPluginV3* plugin = create({});
  for (bool known : {true, false}) {
    Expressions expressions;
    std::vector<DimsExprs> inputs;
    for (const Shape& shape : shapes(3, 50, 6, 10)) {
      DimsExprs dims{};
      dims.nbDims = static_cast<int32_t>(shape.size());
      // Channels and parameters are known even where sizes are not.
      for (size_t i = 0; i < shape.size(); ++i) {
        dims.d[i] = expressions.make(shape[i], known || shape[i] == 8 || shape[i] == 169);
      }
      inputs.push_back(dims);
    }
    DimsExprs output{};
    EXPECT(build(plugin).getOutputShapes(inputs.data(), 5, nullptr, 0, &output, 1, expressions) == 0);
    EXPECT(output.nbDims == 4);
    Shape found;
    for (int32_t i = 0; i < output.nbDims; ++i) found.push_back(static_cast<const Expression*>(output.d[i])->value());
    EXPECT((found == Shape{3, 50, 12, 20}));
    EXPECT(output.d[2]->isConstant() == known);

    inputs[1].d[2] = expressions.make(168, true);
    EXPECT(build(plugin).getOutputShapes(inputs.data(), 5, nullptr, 0, &output, 1, expressions) != 0);
    EXPECT(finder.log.last.find("(B, K, 169)") != std::string::npos);
    EXPECT(build(plugin).getOutputShapes(inputs.data(), 4, nullptr, 0, &output, 1, expressions) != 0);
  }
  delete plugin;
}

void formats() {
  IPluginV3* plugin = create({});
  const DataType types[] = {DataType::kFLOAT, DataType::kHALF, DataType::kINT32, DataType::kBF16, DataType::kINT8};
  for (DataType storage : {DataType::kFLOAT, DataType::kHALF}) {
    const DataType expected[6] = {storage, storage, DataType::kFLOAT, DataType::kFLOAT, DataType::kINT32, storage};
    for (int position = 0; position < 6; ++position) {
      for (DataType type : types) {
        for (TensorFormat format : {TensorFormat::kLINEAR, TensorFormat::kCHW4, TensorFormat::kHWC8}) {
          DynamicPluginTensorDesc tensors[6]{};
          for (int i = 0; i < 6; ++i) tensors[i].desc.type = expected[i];
          tensors[position].desc.type = type;
          tensors[position].desc.format = format;
          const bool storable = type == DataType::kFLOAT || type == DataType::kHALF;
          const bool wanted =
              format == TensorFormat::kLINEAR && (position == 0 ? storable : type == expected[position]);
          EXPECT(build(plugin).supportsFormatCombination(position, tensors, 5, 1) == wanted);
        }
      }
    }
    DataType output{};
    EXPECT(build(plugin).getOutputDataTypes(&output, 1, expected, 5) == 0 && output == storage);
  }
  delete plugin;
}

void configuration() {
  IPluginV3* plugin = create({});
  const auto configured = [&](const std::vector<Shape>& shapes) {
    std::vector<DynamicPluginTensorDesc> inputs(shapes.size());
    for (size_t i = 0; i < shapes.size(); ++i) inputs[i].desc.dims = dims_of(shapes[i]);
    return build(plugin).configurePlugin(inputs.data(), static_cast<int32_t>(shapes.size()), nullptr, 1);
  };
  EXPECT(configured(shapes(1, 100, 48, 80)) == 0);
  EXPECT(configured(shapes(-1, 100, -1, -1)) == 0);
  std::vector<Shape> wrong = shapes(1, 100, 48, 80);
  wrong[3] = {1, 99};
  EXPECT(configured(wrong) != 0);
  wrong[3] = {1, 100, 1};
  EXPECT(configured(wrong) != 0);
  EXPECT(finder.log.last.find("input 3 must have 2 dimensions, found (1, 100, 1)") != std::string::npos);

  const auto changed = [&](const std::vector<Shape>& shapes) {
    std::vector<PluginTensorDesc> inputs(shapes.size());
    for (size_t i = 0; i < shapes.size(); ++i) inputs[i].dims = dims_of(shapes[i]);
    return runtime(plugin).onShapeChange(inputs.data(), static_cast<int32_t>(shapes.size()), nullptr, 1);
  };
  EXPECT(changed(shapes(2, 100, 48, 80)) == 0);
  EXPECT(changed(shapes(2, 100, 48, 5000)) != 0);
  EXPECT(finder.log.last.find("rows are too long") != std::string::npos);
  delete plugin;
}

/// Two calls of one plugin with different sizes, as with a dynamic engine.
void execution() {
  IPluginV3* plugin = create({});
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (auto [batch, height, width] : {std::array<int, 3>{2, 9, 12}, std::array<int, 3>{1, 4, 7}}) {
    const int instances = 3;
    const size_t plane = size_t(height) * width, rows = size_t(batch) * instances;
    std::vector<float> feats(batch * 8 * plane), params(rows * 169), locations(2 * rows), sizes(rows, 64.0f);
    std::vector<float> masks(rows * plane * 4, std::numeric_limits<float>::quiet_NaN());
    std::vector<int32_t> count(batch, 2);
    for (float& value : feats) value = normal(random);
    for (float& value : params) value = 0.3f * normal(random);
    for (float& value : locations) value = static_cast<float>(random() % 64);
    const std::vector<Shape> sizes_of = shapes(batch, instances, height, width);
    PluginTensorDesc inputs[5]{}, output{};
    for (int i = 0; i < 5; ++i) inputs[i].dims = dims_of(sizes_of[i]);
    output.dims = dims_of({batch, instances, 2 * height, 2 * width});
    const void* in[] = {feats.data(), params.data(), locations.data(), sizes.data(), count.data()};
    void* out[] = {masks.data()};
    EXPECT(runtime(plugin).onShapeChange(inputs, 5, &output, 1) == 0);
    EXPECT(runtime(plugin).enqueue(inputs, &output, in, out, nullptr, nullptr) == 0);

    const reference::Network op{8, 3, 8, 2, height, width};
    const std::vector<double> f(feats.begin(), feats.end()), p(params.begin(), params.end());
    double worst = 0;
    for (size_t row = 0; row < rows; ++row) {
      std::vector<double> expected(plane * 4, 0.0);
      if (row % instances < 2) {
        const auto own = f.begin() + row / instances * 8 * plane;
        expected = reference::mask(op, {own, own + 8 * plane}, &p[row * 169], locations[2 * row],
                                   locations[2 * row + 1], sizes[row]);
      }
      for (size_t i = 0; i < expected.size(); ++i) {
        const double difference = std::abs(masks[row * plane * 4 + i] - expected[i]);
        worst = difference <= worst ? worst : difference;  // NaN becomes the worst
      }
    }
    EXPECT(worst < 2e-5);
  }
  delete plugin;
}

}  // namespace

int main() {
  setLoggerFinder(&finder);
  identity();
  attributes();
  output_shapes();
  formats();
  configuration();
  execution();
  std::printf("6 groups, %d failed\n", failures);
  return failures > 0;
}
