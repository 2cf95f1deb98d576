using System.Text.Json.Serialization;

namespace Accelerated.Agent.Node;

/// <summary>JSON of the state file, generated at build time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(SavedState))]
internal sealed partial class NodeJson : JsonSerializerContext;
