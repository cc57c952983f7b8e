// TensorRT's size expressions for a test: constants and symbols, evaluated at once. TensorRT offers no public way to
// make an IExprBuilder; this one sets the implementation pointer that its methods call.
#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <stdexcept>
#include <vector>

/// A size: `known` while an engine is built with fixed shapes, else only `value`, what it will be.
class Expression final : public nvinfer1::IDimensionExpr {
 public:
  Expression(int64_t value, bool known) : implementation_(value, known) { mImpl = &implementation_; }

  int64_t value() const { return implementation_.value; }

 private:
  struct Implementation final : nvinfer1::apiv::VDimensionExpr {
    Implementation(int64_t v, bool k) : value(v), known(k) {}
    bool isConstant() const override { return known; }
    int64_t getConstantValue() const override { return known ? value : throw std::logic_error("not a constant"); }
    bool isSizeTensor() const override { return false; }
    int64_t value;
    bool known;
  };
  Implementation implementation_;
};

class Expressions final : public nvinfer1::IExprBuilder {
 public:
  Expressions() : implementation_(*this) { mImpl = &implementation_; }

  const Expression* make(int64_t value, bool known) {
    made_.push_back(std::make_unique<Expression>(value, known));
    return made_.back().get();
  }

 private:
  struct Implementation final : nvinfer1::apiv::VExprBuilder {
    explicit Implementation(Expressions& o) : owner(o) {}
    const nvinfer1::IDimensionExpr* constant(int64_t value) override { return owner.make(value, true); }
    const nvinfer1::IDimensionExpr* operation(nvinfer1::DimensionOperation op, const nvinfer1::IDimensionExpr& first,
                                              const nvinfer1::IDimensionExpr& second) override {
      if (op != nvinfer1::DimensionOperation::kPROD) throw std::logic_error("only products are expected");
      const auto &a = static_cast<const Expression&>(first), &b = static_cast<const Expression&>(second);
      return owner.make(a.value() * b.value(), a.isConstant() && b.isConstant());
    }
    const nvinfer1::IDimensionExpr* declareSizeTensor(int32_t, const nvinfer1::IDimensionExpr&,
                                                      const nvinfer1::IDimensionExpr&) override {
      throw std::logic_error("no size depends on data");
    }
    Expressions& owner;
  };
  Implementation implementation_;
  std::vector<std::unique_ptr<Expression>> made_;
};
