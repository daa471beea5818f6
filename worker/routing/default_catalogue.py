"""The catalogue Harpoon ships with: sample prices with their dates, demo pools, one table of weights per priority.

Prices are list prices as the named source gave them on `priced_on`; edit them: `harpoon catalogue` prints this table as
JSON, HARPOON_CATALOGUE names a file with another. Speeds are planning figures, corrected by what is observed. What a
provider attests is the operator's word, not ours, so it starts empty for everyone but the in-process simulator. The
native server is the operator's own, and its power is paid for already: its offers cost nothing per token.
"""

from __future__ import annotations

from worker.routing.catalogue import (
    Catalogue,
    Label,
    Model,
    Offer,
    Pool,
    PoolConfiguration,
    Provider,
    QualityFloors,
    Weights,
)

_GPU_POOLS = ("private-1x", "shared-4x", "shared-8x")
_SERVERLESS = ("serverless",)
_TEXT = ("chat", "json", "tools")
_EMBEDDINGS = ("embeddings",)
_EVERY_ENDPOINT = ("chat", "embeddings", "responses")
_CHAT_AND_RESPONSES = ("chat", "responses")
_CHAT_AND_EMBEDDINGS = ("chat", "embeddings")
_ATTESTED_IN_PROCESS = ("encrypted", "gdpr", "local_only", "no_logging", "no_training")


def _pooled(provider: str, model: str, input_price: int, output_price: int, decode_us_per_token: int) -> Offer:
    return Offer(
        provider=provider,
        model=model,
        served_id=model,
        pools=_GPU_POOLS,
        input_usd_micros_per_mtok=input_price,
        output_usd_micros_per_mtok=output_price,
        first_token_us=150_000,
        decode_us_per_token=decode_us_per_token,
        priced_on="2026-11-20",
        price_source="demo figure for a whole GPU; hosted.ai prices are set per deployment",
    )


def _serverless(
    provider: str, model: str, served_id: str, prices: tuple[int, int], times_us: tuple[int, int], source: str
) -> Offer:
    return Offer(
        provider=provider,
        model=model,
        served_id=served_id,
        pools=_SERVERLESS,
        input_usd_micros_per_mtok=prices[0],
        output_usd_micros_per_mtok=prices[1],
        first_token_us=times_us[0],
        decode_us_per_token=times_us[1],
        priced_on="2025-12-01",
        price_source=source,
    )


def _native(model: str, served_id: str, decode_us_per_token: int) -> Offer:
    return Offer(
        provider="native",
        model=model,
        served_id=served_id,
        pools=("local",),
        input_usd_micros_per_mtok=0,
        output_usd_micros_per_mtok=0,
        first_token_us=300_000,
        decode_us_per_token=decode_us_per_token,
        priced_on="2026-11-20",
        price_source="nothing is charged per token by a server of your own",
    )


DEFAULT_CATALOGUE = Catalogue(
    version="2026-11-20",
    providers=(
        Provider(
            "hosted-ai",
            "hosted.ai GPU pools",
            (1_000_000, 1_000_000, 1_000_000),
            ("DE",),
            (),
            "",
            template_options=True,
            endpoints=_EVERY_ENDPOINT,
        ),
        Provider(
            "simulator",
            "in-process simulator of the pools",
            (1_000_000, 1_000_000, 1_000_000),
            ("DE",),
            _ATTESTED_IN_PROCESS,
            "http://simulator.internal/v1",
            simulated=True,
            template_options=True,
            endpoints=_EVERY_ENDPOINT,
        ),
        Provider(
            "native",
            "a local OpenAI-compatible server (mlx_lm, vLLM, Ollama)",
            (1_000_000, 1_000_000, 1_000_000),
            (),
            (),
            "",
            template_options=True,
            endpoints=_CHAT_AND_EMBEDDINGS,
        ),
        Provider(
            "workers-ai",
            "Cloudflare Workers AI",
            (2_000_000, 5_000_000, 8_000_000),
            (),
            (),
            "",
            endpoints=_CHAT_AND_EMBEDDINGS,
        ),
        Provider(
            "groq",
            "Groq",
            (6_000_000, 6_000_000, 6_000_000),
            ("US",),
            (),
            "https://api.groq.com/openai/v1",
            endpoints=_CHAT_AND_RESPONSES,
        ),
        Provider(
            "openai",
            "OpenAI",
            (8_000_000, 8_000_000, 8_000_000),
            ("US",),
            (),
            "https://api.openai.com/v1",
            endpoints=_EVERY_ENDPOINT,
        ),
        Provider(
            "openrouter",
            "OpenRouter, which routes to other providers by itself",
            (10_000_000, 10_000_000, 10_000_000),
            (),
            (),
            "https://openrouter.ai/api/v1",
            preferences=True,
        ),
    ),
    models=(
        Model("gemma-3-270m-it", 32_768, 8_192, 1_500_000, ("chat",), 1_755_129_600),
        Model("llama-3.1-8b-instruct", 131_072, 8_192, 1_000_000, _TEXT, 1_721_692_800),
        Model("qwen3-30b-a3b", 40_960, 16_384, 400_000, _TEXT, 1_745_798_400),
        Model("qwen3-32b", 131_072, 40_960, 380_000, _TEXT, 1_745_798_400),
        Model("llama-3.3-70b-instruct", 24_000, 8_192, 380_000, _TEXT, 1_733_443_200),
        Model("gpt-4o-mini", 128_000, 16_384, 600_000, (*_TEXT, "vision"), 1_721_174_400),
        Model("gpt-4o", 128_000, 16_384, 250_000, (*_TEXT, "vision"), 1_715_558_400),
        # A request may hold many texts, so this is how many tokens all of them together may have.
        Model("text-embedding-3-small", 300_000, 1, 0, _EMBEDDINGS, 1_705_948_997),
        Model("bge-m3", 60_000, 1, 0, _EMBEDDINGS, 1_706_572_800),
        Model("hashed-words-256", 300_000, 1, 0, _EMBEDDINGS, 1_763_596_800),
    ),
    offers=(
        _pooled("hosted-ai", "llama-3.1-8b-instruct", 80_000, 240_000, 6_000),
        _pooled("hosted-ai", "qwen3-30b-a3b", 160_000, 640_000, 7_000),
        _pooled("simulator", "llama-3.1-8b-instruct", 80_000, 240_000, 6_000),
        _pooled("simulator", "qwen3-30b-a3b", 160_000, 640_000, 7_000),
        _pooled("simulator", "hashed-words-256", 20_000, 0, 1_000),
        _native("gemma-3-270m-it", "google/gemma-3-270m-it", 8_000),
        _native("qwen3-30b-a3b", "Qwen/Qwen3-30B-A3B", 25_000),
        _serverless(
            "workers-ai",
            "llama-3.1-8b-instruct",
            "@cf/meta/llama-3.1-8b-instruct-fast",
            (45_000, 384_000),
            (200_000, 5_000),
            "Workers AI pricing page",
        ),
        _serverless(
            "workers-ai",
            "llama-3.3-70b-instruct",
            "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
            (293_000, 2_253_000),
            (300_000, 12_000),
            "Workers AI pricing page",
        ),
        _serverless(
            "groq",
            "llama-3.1-8b-instruct",
            "llama-3.1-8b-instant",
            (50_000, 80_000),
            (150_000, 1_800),
            "Groq pricing page",
        ),
        _serverless("groq", "qwen3-32b", "qwen/qwen3-32b", (290_000, 590_000), (200_000, 2_300), "Groq price page"),
        _serverless(
            "openai", "gpt-4o-mini", "gpt-4o-mini", (150_000, 600_000), (500_000, 12_000), "OpenAI pricing page"
        ),
        _serverless("openai", "gpt-4o", "gpt-4o", (2_500_000, 10_000_000), (600_000, 14_000), "OpenAI pricing page"),
        _serverless(
            "openai",
            "text-embedding-3-small",
            "text-embedding-3-small",
            (20_000, 0),
            (300_000, 1_000),
            "OpenAI pricing page",
        ),
        _serverless(
            "workers-ai", "bge-m3", "@cf/baai/bge-m3", (12_000, 0), (150_000, 1_000), "Workers AI pricing page"
        ),
        # Its prices are ceilings: they are sent as `max_price`, so whoever it picks is no dearer.
        _serverless(
            "openrouter",
            "llama-3.3-70b-instruct",
            "meta-llama/llama-3.3-70b-instruct",
            (200_000, 600_000),
            (600_000, 14_000),
            "a ceiling, sent as max_price",
        ),
        _serverless(
            "openrouter",
            "gpt-4o-mini",
            "openai/gpt-4o-mini",
            (150_000, 600_000),
            (700_000, 12_000),
            "a ceiling, sent as max_price",
        ),
    ),
    pools=(
        Pool("private-1x", 1, 1_000_000, 0, 1_000_000, 5_000, private=True),
        Pool("shared-4x", 4, 1_600_000, 60_000, 300_000, 40_000, private=False),
        Pool("shared-8x", 8, 3_000_000, 400_000, 150_000, 90_000, private=False),
        Pool("local", 1, 1_000_000, 0, 1_000_000, 5_000, private=True),
        Pool("serverless", 0, 1_000_000, 0, 1_000_000, 30_000, private=False),
    ),
    weights={
        "balanced": Weights(
            cost_us_per_usd_micro=60_000,
            risk_us_per_ppm=1,
            improbability_us_per_micronat=20,
            max_risk_ppm=60_000,
            private_only=False,
            pools={
                "private-1x": PoolConfiguration("spatial", "balanced", 100),
                "shared-4x": PoolConfiguration("spatial", "balanced", 25),
                "shared-8x": PoolConfiguration("temporal", "balanced", 13),
            },
        ),
        "cost_optimized": Weights(
            cost_us_per_usd_micro=1_000_000,
            risk_us_per_ppm=1,
            improbability_us_per_micronat=8,
            max_risk_ppm=150_000,
            private_only=False,
            pools={
                "private-1x": PoolConfiguration("spatial", "cost", 100),
                "shared-4x": PoolConfiguration("temporal", "cost", 25),
                "shared-8x": PoolConfiguration("temporal", "cost", 13),
            },
        ),
        "max_performance": Weights(
            cost_us_per_usd_micro=100,
            risk_us_per_ppm=4,
            improbability_us_per_micronat=20,
            max_risk_ppm=100_000,
            private_only=False,
            pools={
                "private-1x": PoolConfiguration("spatial", "performance", 100),
                "shared-4x": PoolConfiguration("spatial", "performance", 100),
                "shared-8x": PoolConfiguration("spatial", "performance", 100),
            },
        ),
        "max_security": Weights(
            cost_us_per_usd_micro=2_000,
            risk_us_per_ppm=20,
            improbability_us_per_micronat=20,
            max_risk_ppm=10_000,
            private_only=True,
            pools={"private-1x": PoolConfiguration("temporal", "security", 100)},
        ),
    },
    quality_floors=QualityFloors(high_ppm=750_000, medium_ppm=600_000, low_ppm=1, unspoken_ppm=1),
    horizon_us=120_000_000,
    min_output_tokens=16,
    image_tokens_bound=50_000,
    labels=(
        Label(
            "gemma",
            models=("gemma-3-270m-it", "llama-3.1-8b-instruct"),
            names=("google/gemma-270m",),
            context_limit_tokens=4_096,
            max_output_tokens=256,
            temperature="0.7",
            top_p="0.9",
        ),
        Label(
            "qwen",
            models=("qwen3-30b-a3b",),
            names=("Qwen/Qwen-30B",),
            context_limit_tokens=8_192,
            max_output_tokens=1_024,
            temperature="0.8",
            top_p="0.95",
            enable_thinking="true",
        ),
    ),
)
