using System.Text.Json.Serialization;

namespace Accelerated.Agent.Api;

/// <summary>JSON of the status socket, generated at build time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(StatusReport))]
[JsonSerializable(typeof(ApiRequest))]
[JsonSerializable(typeof(ApiError))]
[JsonSerializable(typeof(DropLine))]
[JsonSerializable(typeof(LookAnswer))]
internal sealed partial class ApiJson : JsonSerializerContext;
